"""The peers' own virtual environments, in the user's cache folder; never the project's."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.peers.process import LeftOut

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sutazai-peers"
"""Where they are kept; LiteLLM with what it needs takes 750 MB."""


def environment(folder: Path, wanted: Path) -> Path:
    """The folder of programs of the environment in ``folder`` that has what ``wanted`` lists.

    Installed on first use. Raises LeftOut.
    """
    done = folder / "installed"
    if not done.exists() or done.read_text() != wanted.read_text():
        print("installing the peers (once, some minutes) …", file=sys.stderr, flush=True)
        venv.create(folder / "venv", with_pip=True, clear=True)
        pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "-r"]
        if subprocess.run([*pip, str(wanted)], check=False).returncode:
            raise LeftOut("it could not be installed from the package index")
        done.write_text(wanted.read_text())
    return folder / "venv/bin"
