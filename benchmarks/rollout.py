"""A fleet under load moves to a good version, then another one to one bad version after the other.

    python -m benchmarks.rollout [--json OUT] [--agents N] [--rate N] [--quiet S] [--bad NAME,…]

Real fleets, asked through their front doors at a fixed rate whatever the answers take; each answer
takes a call to a model, which answers at once. Phases of the good move are those that are the
default, 10, 25, 50 and 100 %, with their waits cut to seconds; criteria are cut to what so few
requests can tell. Every request has an id and stands in a ledger with what became of it. Figures
are printed as they come: about five minutes for the good version, and one for each bad one.

The move of ``--agents`` to the good version:

- ``failed_requests``: without a good answer, from the beginning of the load to the end of the move.
- ``p95_ratio``: of response times during the move, against the ``--quiet`` seconds before it.
- ``memory_ratio``: the most that all processes of the fleet took (PSS), during against before.
- ``seconds_total``: from `apply` to the end; ``steps`` says where they went. ``promoted`` counts
  steps in which so few requests, or a machine that was busy otherwise, left it inconclusive.

Each bad version, in ``bad``, with a fleet of 30 agents that get more calls each:

- ``found``: whether it came back by itself within two minutes; else a person gave it up.
- ``detect_seconds``: from the start of its first instance to the decision to go back; ``why``.
- ``rollback_seconds``: from the decision to the gateway's word that all new calls go to the old
  version. ``last_call_to_it_seconds``: the last call after the decision that it still answered.
- ``failed_by_it``, ``failed_afterwards``: requests without a good answer, up to the end and after
  it; ``unanswered``: without any answer or error.

Without traffic (``no-traffic``) it is ``found`` that nothing can be said: a person is asked.
``lost`` counts what was sent in the whole run and never ended.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.dense.house import free_base
from benchmarks.rolling.memory import watching
from benchmarks.rolling.moves import bad_move, good_move, unseen_move
from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet
from tests.e2e.rolling import SWIFT, Load, Rolling, rolling

UNSEEN = "no-traffic"
BAD = (
    "crashes-at-start",
    "never-healthy",
    "crashes-at-work",
    "fails",
    "dead",
    "leaks",
    "hasty",
    "wordy",
    UNSEEN,
)
PHASES = [{"percent": percent, "for": "12s"} for percent in (10, 25, 50, 100)]
FAULTY_PHASES = [{"percent": percent, "for": "12s"} for percent in (25, 100)]
FAULTY, FAULTY_RATE = 30, 90.0
"""Agents of the fleet with bad versions, and requests a second to all of them."""
LIMITS = {"temperature": "hot", "memory": "64MiB", "cpu": 0.01}
PYTHON: dict[str, Any] = {"class": "versions:Versioned", **LIMITS}
PROGRAM = {"runtime": "command", "command": [sys.executable, "program.py", "{port}"], **LIMITS}
PROGRAMS = 3
"""Agents that are programs of their own, with no SDK, evenly spread over the fleet."""
UP = 300.0


def agents(count: int) -> dict[str, dict[str, Any]]:
    """Mostly agents of Python, and a few programs."""
    programs = {at * count // PROGRAMS + 1 for at in range(PROGRAMS)}
    return {f"agent-{at}": PROGRAM if at in programs else PYTHON for at in range(count)}


@contextmanager
def running(count: int, phases: Sequence[Mapping[str, Any]]) -> Iterator[Rolling]:
    """A fleet of so many agents, with a model."""
    fleet, model = Fleet(), Model()
    rollout = {**SWIFT, "phases": phases, "extension": "40s"}
    fleet.port_base = free_base(count)
    model.script(tokens=["word "] * 4)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            rolling(
                Path(folder), model.url, agents(count), rollout=rollout, fleet=fleet, patience=UP
            ) as found,
        ):
            yield found
    finally:
        model.kill()


def told(name: str, figures: dict[str, Any]) -> dict[str, Any]:
    """The figures, printed."""
    print(name, json.dumps(figures, indent=2), flush=True)
    return figures


def good(count: int, rate: float, quiet: float) -> dict[str, Any]:
    """The figures of the move to a good version."""
    with (
        running(count, PHASES) as fleet,
        watching(fleet.fleet.state) as watch,
        Load(fleet.fleet, rate=rate) as load,
    ):
        figures = good_move(fleet, load.ledger, watch, quiet)
    return told("good", {**figures, "lost": len(load.ledger.open)})


def bad(versions: Sequence[str]) -> dict[str, Any]:
    """The figures of the moves to bad versions."""
    found: dict[str, Any] = {}
    with running(FAULTY, FAULTY_PHASES) as fleet:
        with Load(fleet.fleet, rate=FAULTY_RATE) as load:
            for version in versions:
                if version != UNSEEN:
                    found[version] = told(version, bad_move(fleet, load.ledger, version))
        if UNSEEN in versions:
            found[UNSEEN] = told(UNSEEN, unseen_move(fleet))
    return {"bad": found, "lost_by_bad": len(load.ledger.open)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Moves of a fleet under load")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--agents", type=int, default=131, help="0 for bad versions alone")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second, to all")
    parser.add_argument("--quiet", type=float, default=30.0, help="seconds before the move")
    parser.add_argument("--bad", default=",".join(BAD), help="bad versions, one after the other")
    chosen = parser.parse_args()
    versions = [word for word in chosen.bad.split(",") if word]
    figures = {"agents": chosen.agents, "rate": chosen.rate, "cores": os.cpu_count()}
    if chosen.agents:
        figures |= good(chosen.agents, chosen.rate, chosen.quiet)
    if versions:
        figures |= bad(versions)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
