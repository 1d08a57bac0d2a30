"""What emergency commands do on control's side.

Belongs here: throttling all agents, cleaning up, and the smoke tests after a restart.
Does not belong here: what the host alone can do (free memory, end everything in order), rollback.
"""
