"""What is computed once for many, or kept: equal deterministic calls and their answers.

Belongs here: when two calls are equal (`keys`), one computation for those that come together
(`flights`, on the pure `tape`), and answers kept for those that come later (`cache`).
Does not belong here: how an answer is computed, rendered or counted (calls, dialects).
"""
