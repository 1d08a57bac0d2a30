"""Results to stdout, errors to stderr, and which exit code: the one place that decides it.

=====  ==========================================================
code   meaning
=====  ==========================================================
0      done
1      it was done and went wrong
2      the command line, a file or another input cannot be used
3      refused
4      no such agent, run, model or file
5      not possible in the present state
6      no fleet runs, or a part that is needed is not there
7      it took longer than allowed
130    interrupted (Ctrl-C)
=====  ==========================================================

Rich is not imported here, so that errors and ``--version`` come at once.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sutazai.fleet.errors import SutazaiError

FAILED = 1
INTERRUPTED = 130


def print_json(value: Any) -> None:
    """``value`` (JSON-ready) as one indented document on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """``value`` (JSON-ready) as one line on stdout, at once: for streams."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_error(message: str, hint: str | None = None, details: Sequence[str] = ()) -> None:
    """One error for people, on stderr; below it ``details`` (as log lines), then the hint."""
    _print_notice(_coloured("error:", "1;31"), message, hint, details)


def print_problem(problem: dict[str, Any]) -> None:
    """One problem of a fleet file (``fleet.problems.Problem.as_dict``), with its place."""
    place = "{file}:{line}:{column}: ".format_map(problem) if problem["line"] else ""
    tell = print_warning if problem["severity"] == "warning" else print_error
    tell(f"{place}{problem['message']}", problem["hint"])


def print_warning(message: str, hint: str | None = None) -> None:
    """One warning for people, on stderr."""
    _print_notice(_coloured("warning:", "1;33"), message, hint, ())


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn whatever a command raises into a message and an exit code (``SystemExit``).

    With ``SUTAZAI_DEBUG`` set, errors come with their traceback instead.
    """
    _never_fail_on_a_letter()
    try:
        yield
        _flush()
    except BrokenPipeError:
        _leave_quietly()
    except SystemExit as done:
        _exit_flushed(done)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:  # a person is told in a line, of a bug too
        if os.environ.get("SUTAZAI_DEBUG"):
            raise
        raise SystemExit(report(error)) from error


def _print_notice(kind: str, message: str, hint: str | None, details: Sequence[str]) -> None:
    print(f"{kind} {message}", file=sys.stderr)
    for line in details:
        print(f"    {line}", file=sys.stderr)
    for line in (hint or "").splitlines():
        print(f"  {_coloured('→', '36')} {line}", file=sys.stderr)


def _never_fail_on_a_letter() -> None:
    """A terminal that is not UTF-8 shows a question mark instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def report(error: Exception) -> int:
    """Print ``error`` on stderr, and return its exit code."""
    if isinstance(error, SutazaiError):
        problems = error.data.get("problems")
        for problem in problems or ():
            print_problem(problem)
        if not problems:
            print_error(error.message, error.hint, _details(error.data))
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        print_error(f"{error.strerror.lower()}{place}")
        return FAILED
    print_error(
        f"this should not happen: {type(error).__name__}: {error}",
        "run it again with SUTAZAI_DEBUG=1 to see where, and report that",
    )
    return FAILED


def _details(data: dict[str, Any]) -> list[str]:
    """How an agent's instance ended and what it said last, where the error knows."""
    exit_, lines = data.get("exit"), data.get("lines") or ()
    return [*([str(exit_)] if exit_ else []), *map(str, lines)]


def _coloured(text: str, code: str) -> str:
    if os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def _exit_flushed(done: SystemExit) -> None:
    """Leave with the code of ``done``, unless nobody reads what is still to be written."""
    try:
        _flush()
    except BrokenPipeError:
        _leave_quietly()
    raise done


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _leave_quietly() -> None:
    """Whoever read our output has seen enough (``| head``): no message, no second attempt."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(FAILED)
