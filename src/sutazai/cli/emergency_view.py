"""How the answers of emergency commands look. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from sutazai.cli.console import plain, table
from sutazai.fleet.emergency import CleanUp, MemoryRelief, RestartPlan, Smoke, Throttling
from sutazai.fleet.status import UnitStatus
from sutazai.fleet.units import format_size


def memory_view(done: MemoryRelief) -> RenderableType:
    """Who ended, why them, and what that freed."""
    shown = table("agent", "priority", "memory", "why", "outcome")
    for one in done.chosen:
        outcome = one.outcome or "would end"
        shown.add_row(one.instance, one.priority, format_size(one.memory), one.why, outcome)
    verb = "would free" if done.dry_run else "freed"
    count = sum(one.outcome in ("", "ended") for one in done.chosen)
    told = f"{verb} {format_size(done.freed)}: {count} idle instances"
    if done.cache:
        told += f"; and {format_size(done.cache)} of kept answers in the gateway"
    now = f"memory: {done.percent:.0f} % of {format_size(done.total)} used"
    after = "" if done.after is None else f", {done.after:.0f} % now"
    parts: list[RenderableType] = [shown, ""] if done.chosen else []
    return Group(*parts, told, now + after)


def cpu_view(done: Throttling) -> str:
    """What agents are held to, and were before."""
    them = f"{done.instances} instances of {done.agents} agents that run"
    if done.cores is None:
        verb = "would be released" if done.dry_run else "are released"
        return f"{them} {verb}" if done.before is not None else "agents are not throttled"
    verb = "would be held" if done.dry_run else "are held"
    before = f" instead of {done.before:g}" if done.before is not None else ""
    return (
        f"{them} {verb} to {done.cores:g} cores each{before}, "
        f"{done.instances * done.cores:.1f} cores together, and every one that starts later; "
        "take it back: sutazai emergency cpu --release"
    )


def clean_view(done: CleanUp) -> RenderableType:
    """Which files, and how large they are."""
    shown = table("file", "size", "what")
    for one in done.files:
        shown.add_row(plain(one.path), format_size(one.size), one.what)
    verb = "would free" if done.dry_run else "freed"
    told = f"{verb} {format_size(done.freed)}: {len(done.files)} files"
    parts: list[RenderableType] = [shown, ""] if done.files else []
    return Group(*parts, told)


def plan_view(plan: RestartPlan) -> str:
    """What a restart ends and starts."""
    waves = ", ".join(str(len(wave)) for wave in plan.waves)
    verb = "would end" if plan.dry_run else "ends"
    return (
        f"{verb} {plan.instances} instances, in waves of {waves} units; starts "
        f"{len(plan.starts)} units, {plan.at_once} instances at once; the rest when it is called\n"
        f"in hand now: {plan.open_tasks} tasks, which go on after that, and {plan.running_calls} "
        "calls to models, which fail"
    )


def outcome_view(
    late: Sequence[UnitStatus], well: int, tests: Sequence[Smoke], seconds: float
) -> RenderableType:
    """What came back, what did not, and how the tests went."""
    lines = [Text(f"{well} units are well after {seconds:.1f} s")]
    states = Counter(unit.state.value for unit in late)
    if states:
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        lines.append(Text(f"! not well: {told}", "bold red"))
    lines += [Text(f"  {unit.name}: {unit.state}  {plain(unit.reason)}") for unit in late[:10]]
    for test in tests:
        mark = ("passed", "green") if test.passed else ("failed", "bold red")
        lines.append(Text.assemble(f"{test.name}: ", mark, f" ({test.seconds:.1f} s), {test.told}"))
    return Group(*lines)
