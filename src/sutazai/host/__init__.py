"""The host: the supervisor of one machine. It owns every instance and service on it.

Belongs here: starting, watching and ending processes, their output, their health, the policies
that decide about them (pure: ``lifecycle``, ``backoff``, ``temperature``), and what this machine
offers (``machine``).
Does not belong here: what should run (control says so), where calls go (gateway), and anything
that would need control to be alive.
"""
