"""The state machine of rollouts: a look goes in, decisions come out. No I/O, no clock.

Belongs here: what is done next, forward and back, and what a person may say to it.
Does not belong here: what the evidence says (``evidence``), and carrying anything out.
"""

from sutazai.rollout.machine.commands import Command, obey
from sutazai.rollout.machine.decide import MAX_STEP, decide
from sutazai.rollout.machine.decisions import (
    Announce,
    AskVerdict,
    Decision,
    Drain,
    Ensure,
    RehearseRollback,
    Replay,
    Route,
    Stop,
    TakeBackup,
)
from sutazai.rollout.machine.forward import WATCHED
from sutazai.rollout.machine.observation import (
    Check,
    Copy,
    Health,
    Judged,
    Observation,
    Preflight,
    Tripped,
)
from sutazai.rollout.machine.start import begin
from sutazai.rollout.machine.steps import runs, weights_of
from sutazai.rollout.machine.words import sentence

__all__ = [
    "begin",
    "decide",
    "obey",
    "runs",
    "sentence",
    "weights_of",
    "Command",
    "Observation",
    "Check",
    "Copy",
    "Health",
    "Judged",
    "Preflight",
    "Tripped",
    "Decision",
    "Announce",
    "AskVerdict",
    "Drain",
    "Ensure",
    "RehearseRollback",
    "Replay",
    "Route",
    "Stop",
    "TakeBackup",
    "MAX_STEP",
    "WATCHED",
]
