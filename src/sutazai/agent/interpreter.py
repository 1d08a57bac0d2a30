"""How an interpreter is started that has this SDK, be it of another environment."""

from __future__ import annotations

from pathlib import Path

import uvloop

import sutazai


def command_of(python: str, module: str, *arguments: str) -> list[str]:
    """Runs ``main()`` of ``module`` in ``python``, which must be of our version.

    The folders of the SDK come after the environment's own, so that what is installed there counts
    first. Nothing is written into it.
    """
    folders = [str(Path(each.__file__ or "").parents[1]) for each in (sutazai, uvloop)]
    program = (
        f"import sys; sys.path += [each for each in {folders!r} if each not in sys.path]; "
        f"from {module} import main; main()"
    )
    return [python, "-P", "-u", "-c", program, *arguments]
