"""Rollouts: moving agents to a revision, and back in seconds when it is worse.

Belongs here: the rollout's state machine, the evidence it rests on and the guards that end it.
Does not belong here: how weights reach the gateway and instances come up (control carries
decisions out), and what the user declares (fleet).
"""
