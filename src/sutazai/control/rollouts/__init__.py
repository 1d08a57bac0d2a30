"""Rollouts at work: carries out what the machine in `rollout` decides.

Belongs here: which units and doors a state of the machine means, what is seen of them, and the loop
between. Does not belong here: when agents move and when they go back.
"""
