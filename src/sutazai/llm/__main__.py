"""``python -m sutazai.llm serve …``: the embedded LLM server as a process of its own.

Ends with the exit code of the error that kept it from serving (6: no model or no library), 2 for
wrong options, and 0 after SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.units import parse_size
from sutazai.llm.models import find_model
from sutazai.llm.server import Settings, serve

DEFAULTS = EmbeddedLlm()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        _serve(options)
    except SutazaiError as error:
        print(f"llm: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code


def _serve(options: argparse.Namespace) -> NoReturn:
    serve(
        Settings(
            socket=options.socket.absolute(),
            model=find_model(options.model),
            threads=options.threads,
            slots=options.slots,
            context=options.context,
            prompt_cache=options.prompt_cache,
        )
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sutazai.llm")
    command = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "serve", help="serve one model on a Unix socket until SIGTERM"
    )
    add = command.add_argument
    add("--socket", type=Path, required=True, metavar="PATH", help="where to listen")
    add("--model", default=DEFAULTS.model, metavar="REF", help="built-in name, path or hf:…")
    add("--threads", type=_count, default=len(os.sched_getaffinity(0)), metavar="N")
    add("--slots", type=_count, default=DEFAULTS.slots, metavar="N", help="generations at once")
    add("--context", type=_count, default=DEFAULTS.context, metavar="N", help="tokens of each slot")
    add("--prompt-cache", type=_size, default=DEFAULTS.prompt_cache, metavar="SIZE")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not {text!r}")
    return int(text)


def _size(text: str) -> int:
    """Bytes from a plain number, or from a size with its unit."""
    if text.isdecimal():
        return int(text)
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
