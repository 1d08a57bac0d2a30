"""What is kept of one Git source: its newest commit, and the files of the one that is applied."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sutazai.cli.git_program import Git
from sutazai.fleet.errors import Conflict, Failed
from sutazai.fleet.git_source import GitSource
from sutazai.fleet.places import Places
from sutazai.fleet.positions import shown
from sutazai.fleet.secrets import resolve_secret

FETCHED = "refs/sutazai/fetched"
READABLE = 0o755
"""Agents run as users of their own, and read their files there."""
SHORT = 10
TOLD = 80
"""Characters of a name or a subject that are kept."""


@dataclass(frozen=True)
class Commit:
    """One commit, as people know it."""

    digest: str
    author: str
    subject: str

    @property
    def short(self) -> str:
        return self.digest[:SHORT]


class GitCheckout:
    """The folders of one source in the state of a fleet.

    Args:
        environ: where variables in user and password are looked for.
    """

    def __init__(self, source: GitSource, places: Places, environ: Mapping[str, str]) -> None:
        self.tree = places.source_trees / source.digest
        self._source = source
        self._folder = places.sources / source.digest
        self._environ = environ

    def fetch(self) -> None:
        """Fetches the newest commit. Raises what `Git.fetch` does, and BadFleet for a variable that
        is not set."""
        user, password = (
            resolve_secret(text, self._environ, self._folder)
            for text in (self._source.user, self._source.password)
        )
        git = Git(self._repository, user=user, password=password)
        git.make()
        git.fetch(self._source.url, self._source.reference, FETCHED)

    def newest(self) -> Commit | None:
        """The commit that was fetched last, None before the first."""
        form = "--format=%H%x00%an%x00%s"
        try:
            told = Git(self._repository)("log", "-1", "--no-show-signature", form, FETCHED, "--")
        except Failed:
            return None
        digest, author, subject = told.rstrip("\n").split("\0")
        return Commit(digest, shown(author, TOLD), shown(subject, TOLD))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody else changes what is kept of the source. Raises Conflict."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def draft(self, commit: Commit) -> Iterator[Path]:
        """A folder with the files of ``commit``, for as long as it is looked at."""
        folder = self._folder / "draft"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._write(commit, folder, fresh=True)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def move(self, commit: Commit) -> None:
        """Makes `tree` the files of ``commit``; files that are in no commit stay."""
        self.tree.parent.mkdir(parents=True, exist_ok=True)
        self.tree.parent.chmod(READABLE)
        self._write(commit, self.tree, fresh=not self.tree.is_dir())

    def _write(self, commit: Commit, folder: Path, *, fresh: bool) -> None:
        index = self._folder / f"{folder.name}.index"
        index.with_name(f"{index.name}.lock").unlink(missing_ok=True)  # of a git that was killed
        if fresh:
            index.unlink(missing_ok=True)
        folder.mkdir(exist_ok=True)
        folder.chmod(READABLE)
        Git(self._repository)(
            f"--work-tree={folder}", "read-tree", "--reset", "-u", commit.digest,
            GIT_INDEX_FILE=str(index),
        )  # fmt: skip

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"somebody else applies {self._source} just now") from error

    @property
    def _repository(self) -> Path:
        return self._folder / "repository"
