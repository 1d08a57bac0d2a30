"""Gives tasks to agents.

Belongs here: the routing rule (pure), the dispatcher that claims, starts and ends attempts, the
lives of executors, and the bell that wakes them.
Does not belong here: the rules of the queue (`tasks.queue`), and the table (`store`).
"""
