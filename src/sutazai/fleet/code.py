"""What an agent's own code is, as a digest: another digest is another version of the agent.

It covers what Python would import from the agent's folder: the modules beside its own, the packages
there, and its own package whole. What is installed in an environment is not counted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from sutazai.fleet.spec import Fleet, Runtime

FILES_MAX = 2000
"""Files of one folder that are read; what comes after them in the order of names is not seen."""
BYTES_MAX = 1024 * 1024
"""Bytes of one file that are read."""
NO_CODE = ("__pycache__", "node_modules")


def codes_of(fleet: Fleet, base: Path) -> dict[str, str]:
    """The digest of each agent that has code or requirements of its own, by the agent's name.

    ``base`` is the folder that relative paths in the fleet file count from. Raises OSError.
    """
    found = {}
    for name, agent in fleet.agents.items():
        if agent.runtime is Runtime.PYTHON:
            folder = base / (agent.directory or ".")
            requirements = base / agent.requirements if agent.requirements else None
            found[name] = code_of(folder, agent.class_ or "", requirements)
    return {name: digest for name, digest in found.items() if digest}


def code_of(folder: Path, entry: str, requirements: Path | None = None) -> str:
    """16 hexadecimal characters for the code of ``module:Class``; empty where it has none there.

    A file that cannot be read counts as one that is not there.
    """
    package = package_of(entry)
    files = sorted(modules(folder, package)) if has_module(folder, package) else []
    if requirements is not None:
        files.append(requirements)
    if not files:
        return ""
    return _digest({os.path.relpath(file, folder): file for file in files})


def package_of(entry: str) -> str:
    """The module or package that ``module:Class`` begins with."""
    return entry.partition(":")[0].partition(".")[0]


def has_module(folder: Path, name: str) -> bool:
    """Whether Python would find the module or package of that name there."""
    return bool(name) and ((folder / f"{name}.py").is_file() or (folder / name).is_dir())


def modules(folder: Path, package: str) -> Iterator[Path]:
    """Everything that can be imported from ``folder``: at most `FILES_MAX` files."""
    left = FILES_MAX
    own = folder / package
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if _is_code(Path(parent, each), own))
        for name in sorted(name for name in files if name.endswith(".py"))[:left]:
            left -= 1
            yield Path(parent, name)
        if not left:
            return


def _is_code(folder: Path, own: Path) -> bool:
    """Beside ``own``, the agent's own package, a folder counts where it is a package too."""
    name = folder.name
    if not name.isidentifier() or name in NO_CODE or (folder / "pyvenv.cfg").exists():
        return False
    return own in (folder, *folder.parents) or (folder / "__init__.py").exists()


def _digest(files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in files.items():
        content = _content(path)
        digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return digest.hexdigest()[:16]


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BYTES_MAX)
    except OSError:
        return b""
