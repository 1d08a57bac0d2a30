"""Prompts and the contexts of models: how long a prompt is, what is done where it does not fit.

Belongs here: the estimate of a prompt's tokens, learned from what backends report (`estimate`), the
decision on a prompt that is too long (`fitting`), and whether a backend has cut one nevertheless
(`cut`). All of it is pure.
Does not belong here: where in a body its texts stand, and how turns are taken out of it (dialects).
"""
