"""The rules of the queue: who gets in, in which order, what follows what, what is tried again.

Belongs here: pure functions and their small types; no I/O, no clock, no asyncio.
Does not belong here: the table itself (`store`), and giving tasks to agents (`tasks.dispatch`).
"""
