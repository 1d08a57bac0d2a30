"""Durable work: tasks for one agent, and the standard workflow.

Belongs here: what a task and a run do step by step, their retries, plans, prompts and artifacts,
and DBOS, which remembers each finished step so that a crash anywhere resumes at the last one.
Does not belong here: how agents are reached (the gateway's front doors do that), what is shown to
people (faces), and work that is not durable (control hands that straight to the gateway).

Modules are imported one by one: reading a backlog must not load a database.
"""
