"""Stays with a fleet that was just started: until it is ready, and then until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace

from sutazai.cli.client import connected
from sutazai.cli.config import read_config
from sutazai.cli.console import console
from sutazai.cli.follow import event_line, follow_events, recent_events
from sutazai.cli.output import FAILED, print_error, print_warning
from sutazai.cli.readiness import Progress, hot_agents, wait_until_settled
from sutazai.cli.stop_view import stop_shown
from sutazai.cli.up_view import ShownProgress, print_next, print_places, print_ready, print_trouble
from sutazai.client import Control
from sutazai.fleet.errors import DeadlineExceeded, NotRunning, SutazaiError
from sutazai.fleet.places import Places
from sutazai.fleet.spec import Fleet

Keeper = subprocess.Popen[bytes]


def attend(places: Places, fleet: Fleet, keeper: Keeper, *, detach: bool) -> int:
    """Wait until the fleet is ready, show it, and stay with it unless ``detach``.

    Returns the exit code. Whatever ends this ends the fleet, unless it is to be left running. A
    fleet in which only some agents do not come up is; one that cannot work at all is not.
    """
    left = False
    try:
        outcome = asyncio.run(_until_settled(places, fleet, keeper))
        usable = outcome.status is not None and not outcome.broken
        left = detach and usable
        _show(places, fleet, outcome)
        return _stay(places, keeper) if usable and not detach else _exit_code(outcome)
    finally:
        if not left:
            stop_shown(places)


def _show(places: Places, fleet: Fleet, outcome: Progress) -> None:
    screen = console()
    if outcome.status is not None and not outcome.broken:
        print_ready(screen, outcome.status)
        print_places(screen, read_config(places), places)
        print_next(screen, fleet, places)
    print_trouble(outcome, places)


async def _until_settled(places: Places, fleet: Fleet, keeper: Keeper) -> Progress:
    hot = hot_agents(fleet)
    with ShownProgress(console(stderr=True), hot=len(hot)) as shown:
        async with connected(places) as control:
            outcome = await wait_until_settled(
                places,
                control,
                hot=hot,
                alive=lambda: keeper.poll() is None,
                show=shown.update,
            )
            if outcome.status is None:
                return outcome
            return replace(outcome, status=await control.status(memory=True))


def _exit_code(outcome: Progress) -> int:
    if outcome.failed:
        return FAILED
    ready = outcome.settled or outcome.waits_for_a_foreign_llm
    return 0 if ready else DeadlineExceeded.exit_code


def _stay(places: Places, keeper: Keeper) -> int:
    """Show events until Ctrl-C, or until somebody else stops the fleet; the exit code."""
    print("\nCtrl-C stops the fleet.", flush=True)
    try:
        asyncio.run(_follow_while_alive(places, keeper))
    except KeyboardInterrupt:
        return 0
    if keeper.returncode == 0:
        print("the fleet was stopped")
        return 0
    print_error("the keeper of this fleet was killed, so the rest is stopped")
    return FAILED


async def _follow_while_alive(places: Places, keeper: Keeper) -> None:
    async with connected(places) as control:
        following = asyncio.create_task(_show_events(control), name="follow events")
        try:
            await _ended(keeper)
        finally:
            following.cancel()
            await asyncio.wait([following])


async def _ended(keeper: Keeper) -> None:
    """Wait until the keeper has ended, by whatever."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(keeper.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    keeper.wait()


async def _show_events(control: Control) -> None:
    screen = console()
    try:
        past = await recent_events(control)
        async for event in follow_events(control, past[-1].sequence if past else 0):
            screen.print(event_line(event), soft_wrap=True)
    except NotRunning:
        pass  # the fleet ends, which is told by who watches the keeper
    except SutazaiError as error:
        print_warning(f"events cannot be shown: {error.message}", error.hint)
