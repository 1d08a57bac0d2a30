"""The queue in front of the LLM servers: which call gets which slot, and when.

Belongs here: the scheduler and the policies that it is made of, all pure, and `admission`, the one
place where it meets the clock and the event loop.
Does not belong here: HTTP, dialects, and what a backend is beyond its name, slots and models.
"""
