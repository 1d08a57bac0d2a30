"""The LLM servers: which there are, which are well, what models they have, how they are spoken to.

Belongs here: the catalogue of names, the watch over each server, breakers, and what each kind of
provider needs in addresses and headers.
Does not belong here: the choice of a server for a call (the scheduler makes it) and what is said
in the bodies (the dialects know).
"""
