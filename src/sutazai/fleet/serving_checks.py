"""What spans several parts of how models are served: tiers, aliases, callers, servers. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.fit import Machine, managed_unit
from sutazai.fleet.ports import local_port
from sutazai.fleet.positions import Path, Positions
from sutazai.fleet.problems import Problem, Severity
from sutazai.fleet.secrets import is_reference
from sutazai.fleet.serving import (
    AUTO_RULES,
    Budget,
    ContextPolicy,
    Managed,
    Overflow,
)
from sutazai.fleet.spec import Fleet

AUTO = "auto"
"""The model name by which a caller leaves the choice of a tier to the rules."""

Found = Iterator[Problem]


def check_serving(fleet: Fleet, machine: Machine, positions: Positions) -> Found:
    """Problems of tiers, aliases, rules, callers and managed backends."""
    yield from _tiers(fleet, positions)
    yield from _aliases(fleet, positions)
    yield from _auto(fleet, positions)
    yield from _callers(fleet, positions)
    yield from _budgets(fleet, positions)
    yield from _secrets(fleet, positions)
    yield from _ways_out(fleet, positions)
    yield from _managed(fleet, machine, positions)


# tiers and names of models


def _tiers(fleet: Fleet, positions: Positions) -> Found:
    if AUTO in fleet.tiers:
        yield positions.problem(
            ("tiers", AUTO),
            "a tier cannot be called `auto`: by that name callers leave the choice to the gateway",
            hint="give it another name",
            at_key=True,
        )
    for name, tier in fleet.tiers.items():
        for at, other in enumerate(tier.fallback):
            path = ("tiers", name, "fallback", at)
            if other == name:
                yield positions.problem(
                    path,
                    f"the tier `{name}` falls back on itself",
                    hint="name another tier, or none",
                )
            elif other not in fleet.tiers:
                yield _no_tier(positions, path, f"`fallback` of tier `{name}`", other, fleet.tiers)
        yield from _versions(fleet, name, positions)


def _versions(fleet: Fleet, tier: str, positions: Positions) -> Found:
    versions = fleet.tiers[tier].versions
    for name, version in versions.items():
        for at, backend in enumerate(version.backends):
            if backend not in fleet.backends:
                yield positions.problem(
                    ("tiers", tier, "versions", name, "backends", at),
                    f"`backends` of version `{name}` of tier `{tier}`: there is no backend "
                    f"`{backend}`",
                    hint=did_you_mean(backend, fleet.backends)
                    or "declare it under `backends`, or take another",
                )
    if versions and not any(version.weight for version in versions.values()):
        yield positions.problem(
            ("tiers", tier, "versions"),
            f"every version of tier `{tier}` has weight 0, so none would be asked",
            hint="give one of them a `weight` above 0",
            at_key=True,
        )


def _aliases(fleet: Fleet, positions: Positions) -> Found:
    aliases = fleet.gateway.aliases
    models = _known_models(fleet)
    for alias, meant in aliases.items():
        path = ("gateway", "aliases", alias)
        if alias in fleet.tiers or alias == AUTO:
            what = f"the tier `{alias}`" if alias in fleet.tiers else "the choice of a tier"
            yield positions.problem(
                path,
                f"the alias `{alias}` hides {what}, which could not be asked for any more",
                hint="give the alias another name",
                at_key=True,
            )
        elif alias in models:
            yield positions.problem(
                path,
                f"the alias `{alias}` hides the model of that name: who asks for it gets `{meant}`",
                hint="give the alias another name, unless that is what you want",
                severity=Severity.WARNING,
                at_key=True,
            )
        if not meant.strip():
            yield positions.problem(
                path, f"the alias `{alias}` stands for nothing", hint="name a tier or a model"
            )
        elif meant in aliases and meant not in fleet.tiers:
            yield positions.problem(
                path,
                f"the alias `{alias}` stands for `{meant}`, an alias too, which is not followed",
                hint=f"name what is meant: `{aliases[meant]}`",
                severity=Severity.WARNING,
            )


def _known_models(fleet: Fleet) -> set[str]:
    """Models that the file itself names; what else the servers have is not known here."""
    named = {tier.model for tier in fleet.tiers.values() if tier.model is not None}
    for tier in fleet.tiers.values():
        named.update(version.model for version in tier.versions.values())
    for backend in fleet.backends.values():
        named.update(backend.models)
    return named


def _auto(fleet: Fleet, positions: Positions) -> Found:
    rules = fleet.gateway.auto
    for at, rule in enumerate(rules if rules != AUTO_RULES else ()):
        if rule.tier not in fleet.tiers:
            path = ("gateway", "auto", at, "tier")
            label = f"`tier` of rule {at + 1} of `auto`"
            yield _no_tier(positions, path, label, rule.tier, fleet.tiers)


# callers


def _callers(fleet: Fleet, positions: Positions) -> Found:
    for path, label, tiers, _ in _all_callers(fleet):
        for at, tier in enumerate(tiers):
            if tier not in fleet.tiers:
                where = (*path, "tiers", at)
                yield _no_tier(positions, where, f"`tiers` of {label}", tier, fleet.tiers)
    for name, agent in fleet.agents.items():
        if agent.tiers and agent.tier in fleet.tiers and agent.tier not in agent.tiers:
            yield positions.problem(
                ("agents", name, "tiers"),
                f"agent `{name}` asks for tier `{agent.tier}` unless told otherwise, which is not "
                "among its `tiers`",
                hint=f"add `{agent.tier}` to them, or set `tier` to one of {_listed(agent.tiers)}",
            )
    for name in fleet.clients:
        if name in fleet.agents:
            yield positions.problem(
                ("clients", name),
                f"the client `{name}` has the name of an agent: their calls could not be told "
                "apart",
                hint="give the client another name",
                at_key=True,
            )


def _budgets(fleet: Fleet, positions: Positions) -> Found:
    for path, label, _, budget in _all_callers(fleet):
        minute, day = budget.tokens_per_minute, budget.tokens_per_day
        if minute is not None and day is not None and minute > day:
            yield positions.problem(
                (*path, "budget", "tokens_per_minute"),
                f"{label} may use {minute} tokens in a minute and {day} in a whole day",
                hint="the smaller one counts; lower one or raise the other",
                severity=Severity.WARNING,
            )
    for name, agent in fleet.agents.items():
        at_once = agent.budget.concurrency
        if at_once is not None and at_once < agent.concurrency:
            yield positions.problem(
                ("agents", name, "budget", "concurrency"),
                f"an instance of agent `{name}` takes {agent.concurrency} tasks at once, and all "
                f"together may have {at_once} call{'s' * (at_once > 1)} to models under way",
                hint=f"further calls are refused: set `concurrency: {at_once}` for the agent, or "
                "raise that of its `budget`",
                severity=Severity.WARNING,
            )


def _all_callers(fleet: Fleet) -> Iterator[tuple[Path, str, tuple[str, ...], Budget]]:
    for name, agent in fleet.agents.items():
        yield ("agents", name), f"agent `{name}`", agent.tiers, agent.budget
    for name, client in fleet.clients.items():
        yield ("clients", name), f"client `{name}`", client.tiers, client.budget


def _secrets(fleet: Fleet, positions: Positions) -> Found:
    for path, label, text in _written_secrets(fleet):
        if not is_reference(text):
            yield positions.problem(
                path,
                f"{label} holds the secret itself",
                hint="put the secret elsewhere, and write `${NAME}` or `file:PATH` here",
            )


def _written_secrets(fleet: Fleet) -> Iterator[tuple[Path, str, str]]:
    for name, client in fleet.clients.items():
        yield ("clients", name, "secret"), f"`secret` of client `{name}`", client.secret
    for name, backend in fleet.backends.items():
        if backend.entra is not None:
            path = ("backends", name, "entra", "secret")
            yield path, f"`entra.secret` of backend `{name}`", backend.entra.secret


def _ways_out(fleet: Fleet, positions: Positions) -> Found:
    """Policies that send calls to another tier where no tier names another."""
    if any(tier.fallback for tier in fleet.tiers.values()):
        return
    hint = "set `fallback` of a tier; without one such calls are rejected"
    for path, what in _sent_elsewhere(fleet):
        yield positions.problem(
            path,
            f"{what} should go to another tier, and no tier has a fallback",
            hint=hint,
            severity=Severity.WARNING,
        )


def _sent_elsewhere(fleet: Fleet) -> Iterator[tuple[Path, str]]:
    if fleet.gateway.queue.overflow is Overflow.ANOTHER_TIER:
        yield ("gateway", "queue", "overflow"), "calls that find the queue full"
    if any(tier.versions for tier in fleet.tiers.values()):
        return  # a longer context may be had from another version
    for section, callers in (("agents", fleet.agents), ("clients", fleet.clients)):
        for name, caller in callers.items():
            if caller.context is ContextPolicy.ANOTHER_TIER:
                yield (section, name, "context"), f"prompts of `{name}` that are too long"


# servers that the fleet starts


def _managed(fleet: Fleet, machine: Machine, positions: Positions) -> Found:
    for name, backend in fleet.backends.items():
        if backend.managed is None:
            continue
        yield from _managed_place(name, backend.url, positions)
        yield from _managed_figures(fleet, name, positions)
        yield from _managed_program(name, backend.managed, machine, positions)
        unit = managed_unit(name)
        if unit in fleet.agents or unit in fleet.services:
            yield positions.problem(
                ("backends", name),
                f"backend `{name}` is started as `{unit}`, and there is another unit of that name",
                hint="give one of them another name",
                at_key=True,
            )


def _managed_place(name: str, url: str, positions: Positions) -> Found:
    if local_port(url) is None or not _is_bare(url):
        yield positions.problem(
            ("backends", name, "url"),
            f"backend `{name}` is to be started by the fleet, which can only be on this machine",
            hint="write `url` as http://127.0.0.1:11434, or remove `managed`",
        )


def _is_bare(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.path in ("", "/")


def _managed_figures(fleet: Fleet, name: str, positions: Positions) -> Found:
    backend = fleet.backends[name]
    if backend.managed is None:
        return
    for key, own, started in (
        ("slots", backend.slots, backend.managed.parallel),
        ("loaded_models", backend.loaded_models, backend.managed.loaded_models),
    ):
        if own is not None and own != started:
            yield positions.problem(
                ("backends", name, key),
                f"backend `{name}` is started with {started} and counted with `{key}: {own}`",
                hint=f"remove `{key}`: what it is started with counts",
                severity=Severity.WARNING,
            )


def _managed_program(name: str, managed: Managed, machine: Machine, positions: Positions) -> Found:
    if managed.command in machine.missing:
        yield positions.problem(
            ("backends", name, "managed"),
            f"backend `{name}` is to be started by the fleet, and `{managed.command}` is not on "
            "this machine",
            hint="install it from https://ollama.com/download; the rest of the fleet runs without",
            severity=Severity.WARNING,
            at_key=True,
        )


def _no_tier(
    positions: Positions, path: Path, label: str, name: str, known: Mapping[str, object]
) -> Problem:
    hint = did_you_mean(name, known) or f"there are: {_listed(known)}"
    return positions.problem(path, f"{label}: there is no tier `{name}`", hint=hint)


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
