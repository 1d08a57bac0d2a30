"""A fleet under load moves to a good version, then to one bad version after the other.

    python -m benchmarks.rollout [--json OUT] [--agents N] [--rate N] [--quiet S] [--bad NAME,…]

A real fleet, asked through its front doors at a fixed rate whatever the answers take; each answer
takes a call to a model, which answers at once. Phases are those that are the default, 10, 25, 50
and 100 %, with their waits cut to seconds; criteria are cut to what so few requests can tell.
Every request has an id and stands in a ledger with what became of it.

The move to the good version:

- ``failed_requests``: without a good answer, from the beginning of the load to the end of the move.
- ``p95_ratio``: of response times during the move, against the ``--quiet`` seconds before it.
- ``memory_ratio``: the most that all processes of the fleet took (PSS), during against before.
- ``seconds_total``: from `apply` to the end; ``steps`` says where they went. ``promoted`` counts
  steps in which so few requests, or a machine that was busy otherwise, left it inconclusive.

Each bad version, in ``bad``:

- ``detect_seconds``: from its first call (else from its start) to the decision to go back; ``why``.
- ``rollback_seconds``: from the decision to the gateway's word that all new calls go to the old
  version. ``last_call_to_it_seconds``: the last call after the decision that it still answered.
- ``failed_by_it``, ``failed_afterwards``: requests without a good answer, up to the end and after
  it; ``unanswered``: without any answer or error.

``lost`` counts what was sent in the whole run and never ended.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.dense.house import free_base
from benchmarks.rolling.memory import watching
from benchmarks.rolling.moves import bad_move, good_move
from tests.e2e.faults import Model
from tests.e2e.fleet import Fleet
from tests.e2e.rolling import SWIFT, Load, Rolling, rolling

BAD = ("crashes-at-start", "crashes-at-work", "fails", "dead", "leaks", "hasty", "wordy")
PHASES = [{"percent": percent, "for": "9s"} for percent in (10, 25, 50, 100)]
LIMITS = {"temperature": "hot", "memory": "64MiB", "cpu": 0.01}
PYTHON: dict[str, Any] = {"class": "versions:Versioned", **LIMITS}
PROGRAM = {"runtime": "command", "command": [sys.executable, "program.py", "{port}"], **LIMITS}
PROGRAMS = 3
"""Agents that are programs of their own, with no SDK."""
UP = 300.0


def agents(count: int) -> dict[str, dict[str, Any]]:
    """Mostly agents of Python, and a few programs."""
    names = [f"agent-{number}" for number in range(count)]
    return {name: PROGRAM if at < PROGRAMS else PYTHON for at, name in enumerate(names)}


def moved(fleet: Rolling, rate: float, quiet: float, bad: Sequence[str]) -> dict[str, Any]:
    """The figures of all moves of one fleet."""
    with watching(fleet.fleet.state) as watch, Load(fleet.fleet, rate=rate) as load:
        good = good_move(fleet, load.ledger, watch, quiet)
        print(json.dumps(good, indent=2), flush=True)
        found = {}
        for version in bad:
            found[version] = bad_move(fleet, load.ledger, version)
            print(version, json.dumps(found[version], indent=2), flush=True)
    return {**good, "bad": found, "lost": len(load.ledger.open)}


def measure(count: int, rate: float, quiet: float, bad: Sequence[str]) -> dict[str, Any]:
    fleet, model, rollout = Fleet(), Model(), {**SWIFT, "phases": PHASES, "extension": "15s"}
    fleet.port_base = free_base(count)
    model.script(tokens=["word "] * 4)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            rolling(
                Path(folder), model.url, agents(count), rollout=rollout, fleet=fleet, patience=UP
            ) as found,
        ):
            figures = moved(found, rate, quiet, bad)
    finally:
        model.kill()
    return {"agents": count, "rate": rate, "cores": os.cpu_count(), **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description="Moves of a fleet under load")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--agents", type=int, default=131)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second, to all")
    parser.add_argument("--quiet", type=float, default=30.0, help="seconds before the move")
    parser.add_argument("--bad", default=",".join(BAD), help="bad versions, one after the other")
    chosen = parser.parse_args()
    bad = [word for word in chosen.bad.split(",") if word]
    figures = measure(chosen.agents, chosen.rate, chosen.quiet, bad)
    text = json.dumps(figures, indent=2)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
