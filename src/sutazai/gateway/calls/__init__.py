"""One LLM call, from its request to the end of its answer, and what is done once for many.

Belongs here: the endpoints, the call's way through queue and backend, what is shared or kept of
answers, and what is told and recorded of each call.
Does not belong here: who may call (callers), when (queue), and where to (backends).
"""
