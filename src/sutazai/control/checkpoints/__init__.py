"""Checkpoints: everything that a fleet needs to go on elsewhere, in one file.

Belongs here: what is taken, the file's format, where files stand, which are kept, verifying and
restoring them. `manifest` and `keeping` are pure; `restoring` needs no control to run.
Does not belong here: starting what was restored, which is `up`'s; the rollout that asks for one.
"""
