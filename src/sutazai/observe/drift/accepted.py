"""Agents' code on disk, and models at the backends, against what they were when that was last
accepted: the code with the fleet, a model when it was first seen in a revision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sutazai.fleet.drift import BackendHeld, DriftKind
from sutazai.observe.drift.facts import Fact, Look

Digests = Mapping[str, Mapping[str, str]]
"""By backend and model."""

NO_CODE = "no code"
SHOWN = 19
"""Characters of a digest, ``sha256:`` among them."""


def code_look(accepted: Mapping[str, str], found: Mapping[str, str]) -> Look:
    """A fact for each agent that has code of its own, or had; both by agent."""
    return Look(
        tuple(
            Fact(
                kind=DriftKind.CODE,
                unit=agent,
                what="code",
                expected=accepted.get(agent, NO_CODE),
                seen=found.get(agent, NO_CODE),
            )
            for agent in sorted(accepted.keys() | found.keys())
        )
    )


def model_look(first: Digests, held: Iterable[BackendHeld]) -> Look:
    """A fact for each model whose digest is told and was seen before. One that is gone is no drift
    of a model: the gateway says so where it is missed."""
    facts, silent = [], []
    for backend in held:
        known = first.get(backend.name, {})
        for model, digest in sorted(backend.digests.items()):
            expected = known.get(model, digest)
            facts.append(_fact(backend.name, model, expected, digest))
        if not backend.digests:
            silent.append(backend.name)
    return Look(tuple(facts), unchecked=_said(silent))


def remembered(first: Digests, held: Iterable[BackendHeld]) -> Digests:
    """``first`` with the digests of models that are seen for the first time."""
    told = {one.name: one.digests for one in held}
    return {
        name: {**told.get(name, {}), **first.get(name, {})} for name in first.keys() | told.keys()
    }


def _fact(backend: str, model: str, expected: str, seen: str) -> Fact:
    same = expected == seen
    return Fact(
        kind=DriftKind.MODEL,
        unit=backend,
        what=model,
        expected=expected[:SHOWN],
        seen=expected[:SHOWN] if same else seen[:SHOWN],
    )


def _said(silent: list[str]) -> tuple[str, ...]:
    names = ", ".join(silent)
    return (f"models of {names}: no digests are told",) if silent else ()
