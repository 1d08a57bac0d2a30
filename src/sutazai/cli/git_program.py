"""Calls the ``git`` program, and says in our words what goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from sutazai.fleet.errors import (
    DeadlineExceeded,
    Failed,
    NotFound,
    Refused,
    SutazaiError,
    Unavailable,
)

PROGRAM = "git"
WITHIN = 120.0
"""Seconds that one call may take."""

_ASKS_NOBODY = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": ""}
_SPEAKS_ENGLISH = {"LC_ALL": "C", "LANGUAGE": ""}
_ANSWERS = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$SUTAZAI_GIT_USER" "$SUTAZAI_GIT_PASSWORD"; }; f'
)
_NO_REFERENCE = ("couldn't find remote ref", "could not find remote ref")
_NO_REPOSITORY = ("does not appear to be a git repository", "not found", "does not exist")
_NO_RIGHT = ("authentication failed", "could not read username", "could not read password",
             "dubious ownership", "permission denied", "access denied", "error: 403")  # fmt: skip


class Git:
    """Calls on one bare repository.

    Args:
        repository: its folder.
        user: who asks others' servers, and
        password: with what. They are handed over in the environment, where no other user sees them.
    """

    def __init__(self, repository: Path, *, user: str = "", password: str = "") -> None:
        self._repository = repository
        self._secrets = (
            {"SUTAZAI_GIT_USER": user, "SUTAZAI_GIT_PASSWORD": password} if user or password else {}
        )

    def make(self) -> None:
        """Makes the repository where it is not there."""
        self._repository.mkdir(mode=0o700, parents=True, exist_ok=True)
        self("init", "--quiet", "--bare", "--template=")

    def fetch(self, url: str, reference: str, target: str) -> None:
        """Fetches the newest commit of ``reference``, without its history, as ``target``.

        Raises NotFound, Refused; Unavailable and DeadlineExceeded where nobody answers.
        """
        refspec = f"+{reference}:{target}"
        options = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")
        ended = self._run(("fetch", *options, "--", url, refspec), {})
        if ended.returncode:
            raise _refusal(ended.stderr, url, reference)

    def __call__(self, *words: str, **environment: str) -> str:
        """What a call prints. Raises Failed."""
        ended = self._run(words, environment)
        if ended.returncode:
            raise Failed(f"git {words[0]}: {_reason(ended.stderr)}")
        return ended.stdout

    def _run(
        self, words: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        # Its own clean-up would go on behind our back.
        settings = ["-c", "gc.autoDetach=false", "-c", "gc.pruneExpire=1.day.ago"]
        if self._secrets:
            settings += ["-c", "credential.helper=", "-c", f"credential.helper={_ANSWERS}"]
        command = [PROGRAM, *settings, f"--git-dir={self._repository}", *words]
        return _ended(command, {**_environment(), **self._secrets, **environment})


def _environment() -> dict[str, str]:
    """Ours, without what points git at another repository."""
    kept = {name: text for name, text in os.environ.items() if name not in _POINTERS}
    return {**kept, **_ASKS_NOBODY, **_SPEAKS_ENGLISH}


_POINTERS = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
)


def _ended(
    command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, and everything that it started with it."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            umask=0o022,  # agents that are users of their own read what it writes
            start_new_session=True,  # so that it cannot ask at the terminal
        )
    except FileNotFoundError as error:
        raise Unavailable(
            "the program git is not there", hint="install it, as by: apt install git"
        ) from error
    try:
        out, errors = process.communicate(timeout=WITHIN)
    except subprocess.TimeoutExpired as error:
        raise DeadlineExceeded(f"git did not end within {WITHIN:.0f} s") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def _refusal(said: str, url: str, reference: str) -> SutazaiError:
    """What git's words mean; in doubt nobody answered, which may pass."""
    words, last = said.lower(), _reason(said)
    if any(each in words for each in _NO_REFERENCE):
        return NotFound(f"{url} has no branch or tag `{reference}`", hint="write …@BRANCH#PATH")
    if any(each in words for each in _NO_RIGHT):
        return Refused(
            f"{url} may not be read: {last}",
            hint="over HTTP write 'git+https://${USER}:${TOKEN}@HOST/…'; over ssh set a key up",
        )
    if any(each in words for each in _NO_REPOSITORY):
        return NotFound(f"there is no Git repository at {url}: {last}")
    return Unavailable(f"{url} does not answer: {last}")


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
    return told[0].partition(": ")[2] or told[0] if told else "it said nothing"
