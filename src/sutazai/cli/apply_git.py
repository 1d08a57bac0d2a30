"""A fleet that is applied from a Git repository.

A commit is looked at in a folder of its own, and control is asked whether it would take it. Only
then do the fleet's files move to it, so that what cannot be used never comes near a running agent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sutazai.cli import fleets
from sutazai.cli.apply_files import looked_at, secrets_of
from sutazai.cli.config import read_config
from sutazai.cli.fleet_file import Accepted, accept
from sutazai.cli.git_checkout import Commit, GitCheckout
from sutazai.cli.offer import Asked, offer
from sutazai.cli.output import print_problem
from sutazai.fleet.errors import BadFleet, DeadlineExceeded, NotFound, SutazaiError, Unavailable
from sutazai.fleet.git_source import GitSource
from sutazai.fleet.problems import Problem, bad_fleet
from sutazai.fleet.revisions import FleetPlan
from sutazai.fleet.watching import Look

FETCH_EVERY = 60.0
AWAY = (DeadlineExceeded, Unavailable)


class FleetInGit:
    """A fleet file, or a folder of parts, in a branch.

    Args:
        overlay: the name of one, or None for this machine's.
        state: that of the fleet that is meant.
        away: is told, once each time, that the repository cannot be fetched and the commit that was
            fetched last is taken.
        every: seconds between two fetches while it is watched.
    """

    def __init__(
        self,
        source: GitSource,
        overlay: str | None,
        state: Path | None,
        *,
        away: Callable[[SutazaiError], None],
        every: float = FETCH_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._overlay = overlay
        self._places = fleets.running(state)
        self._checkout = GitCheckout(source, self._places, os.environ)
        self._away = away
        self._every = every
        self._clock = clock
        self._fetch_at = float("-inf")
        self._trouble = ""
        self._commit: Commit | None = None
        self._secrets: set[Path] = set()

    def check(self) -> None:
        """Raises what keeps it from being used: NotFound, Refused, BadFleet, Unavailable where
        nothing was fetched yet."""
        with self._drafted(self._first()):
            pass

    def apply(self, asked: Asked) -> FleetPlan:
        """Offers the commit that was fetched last; see `offer` for what is raised."""
        commit = self._commit or self._first()
        named = _named(asked, commit, self._source)
        with self._drafted(commit) as (accepted, folder):
            file = folder / self._source.path
            code = file if file.is_dir() else file.parent
            trial = replace(named, dry_run=True)
            plan = offer(self._places.state, accepted, trial, code=code)
            for warning in accepted.warnings:
                print_problem(_in_repository(warning.as_dict(), folder))
            if asked.dry_run:
                return plan
            self._checkout.move(commit)
            return offer(self._places.state, self._accepted(self._checkout.tree, commit), named)

    def look(self) -> Look:
        """The newest commit, fetched anew where it is time."""
        if self._clock() >= self._fetch_at:
            try:
                self._fetch()
            except SutazaiError as error:
                self._tell(error)
        commit = self._commit or self._first()
        return Look({str(self._source): commit.digest}, looked_at(self._secrets))

    def _first(self) -> Commit:
        try:
            self._fetch()
        except AWAY as error:
            self._commit = self._checkout.newest()
            if self._commit is None:
                raise
            self._tell(error)
        assert self._commit is not None  # noqa: S101 (what was fetched is there)
        return self._commit

    def _fetch(self) -> None:
        self._fetch_at = self._clock() + self._every
        self._checkout.fetch()
        self._commit, self._trouble = self._checkout.newest(), ""

    def _tell(self, error: SutazaiError) -> None:
        if error.message != self._trouble:
            self._away(error)
        self._trouble = error.message

    @contextmanager
    def _drafted(self, commit: Commit) -> Iterator[tuple[Accepted, Path]]:
        """What ``commit`` declares, and a folder with its files, while nobody else works there."""
        with self._checkout.alone(), self._checkout.draft(commit) as folder:
            try:
                accepted = self._accepted(folder, commit)
            except BadFleet as error:
                raise _without(error, folder) from error
            yield accepted, folder

    def _accepted(self, folder: Path, commit: Commit) -> Accepted:
        file = folder / self._source.path
        if not file.exists():
            raise NotFound(
                f"commit {commit.short} of {self._source.url} has no {self._source.path}",
                hint="the path counts from the top of the repository: …@BRANCH#fleets/tea.yaml",
            )
        accepted = accept(
            file,
            overlay=self._overlay,
            port_base=read_config(self._places).ports.control,
            placed=self._checkout.tree / self._source.path,
        )
        self._secrets = secrets_of(accepted)
        return accepted


def _named(asked: Asked, commit: Commit, source: GitSource) -> Asked:
    """As the revision tells it: who wrote the commit, which one it is, and what it is about."""
    known = f"commit {commit.short} of {source}"
    reason = f"{asked.reason} ({known})" if asked.reason else f"{known}: {commit.subject}"
    return replace(asked, author=commit.author, reason=reason)


def _without(error: BadFleet, folder: Path) -> BadFleet:
    """The same with paths as the repository has them."""
    problems = error.data.get("problems", ())
    found = [Problem(**_in_repository(each, folder)) for each in problems]
    return bad_fleet(found) if found else error


def _in_repository(problem: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {
        key: value.replace(f"{folder}/", "") if isinstance(value, str) else value
        for key, value in problem.items()
    }
