"""Keeps the code that agents were accepted with, so that a version can be started again after its
files have changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from sutazai.fleet.code import code_of, modules, package_of
from sutazai.fleet.ids import new_tag
from sutazai.fleet.spec import Agent, Fleet

READABLE = 0o755
"""Agents run as users of their own, and import it."""


def keep_code(fleet: Fleet, base: Path, codes: Mapping[str, str], folder: Path) -> None:
    """Copies what is not kept yet, by digest. Code that has changed since its digest was taken is
    left out. Raises OSError.

    Args:
        base: the folder that relative paths in the fleet file count from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chmod(folder, READABLE)
    for name, digest in codes.items():
        agent = fleet.agents.get(name)
        if agent is not None and not (folder / digest).is_dir():
            _keep(agent, base, digest, folder)


def forget_code(folder: Path, needed: Collection[str]) -> None:
    """Removes what no revision needs any more, and what a crash left half written."""
    for kept in folder.iterdir() if folder.is_dir() else ():
        if kept.name not in needed:
            shutil.rmtree(kept, ignore_errors=True)


def _keep(agent: Agent, base: Path, digest: str, folder: Path) -> None:
    source, entry = base / (agent.directory or "."), agent.class_ or ""
    draft = folder / f".{new_tag()}"
    try:
        for file in modules(source, package_of(entry)):
            target = draft / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        requirements = base / agent.requirements if agent.requirements else None
        if draft.is_dir() and _is_code(source, draft, entry, requirements, digest):
            draft.replace(folder / digest)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_code(source: Path, copy: Path, entry: str, requirements: Path | None, digest: str) -> bool:
    """Whether the copy is what the digest was taken of, and not half of two versions."""
    is_same = code_of(source, entry, requirements) == digest
    return is_same and code_of(copy, entry) == code_of(source, entry)
