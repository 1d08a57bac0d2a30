"""The one process that the keeper starts, and starts again: the host."""

from __future__ import annotations

import contextlib
import os
import signal

from sutazai.keeper import log, processes
from sutazai.keeper.backoff import Backoff
from sutazai.keeper.config import Config
from sutazai.keeper.errors import Failed
from sutazai.keeper.processes import Process
from sutazai.keeper.reaper import Exit

# Ignored by the keeper or by Python; an ignored signal would stay so in everything below.
_RESTORED = (signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)


class Host:
    """The host of this machine: running (``process``), or due to start at ``due``.

    Its pid and start time are kept in the file ``record``, so that a later keeper can tell a host
    that outlived this one.
    """

    def __init__(self, config: Config, record: str) -> None:
        self._command = config.host
        self._environment = _environment(config)
        self._record = record
        self._backoff = Backoff()
        self._started = 0.0
        self._retired = False
        self.process: Process | None = None
        self.due: float | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self, now: float) -> None:
        """Starts it. Raises Failed if its program cannot be run."""
        self.due = None
        self._started = now
        try:
            pid = os.posix_spawnp(
                self._command[0],
                self._command,
                self._environment,
                setpgroup=0,
                setsigdef=_RESTORED,
            )
        except OSError as error:
            raise Failed(
                f"the host cannot be started: {self._command[0]}: {error.strerror}"
            ) from error
        self.process = processes.read(pid)  # there until we reap it, even if it ended already
        self._write_record()

    def tend(self, now: float) -> None:
        """Starts it again when it is due."""
        if self.due is None or now < self.due:
            return
        self.restarts += 1
        try:
            self.start(now)
        except Failed as error:
            log.say(error.message)
            self.due = self._backoff.ended(started=now, now=now)

    def ended(self, end: Exit, now: float) -> None:
        """Takes note that it ended; it is due again, unless it was retired."""
        self.process = None
        if self._retired:
            return
        self.due = self._backoff.ended(started=self._started, now=now)
        log.say(f"the host ended ({end.how}), starts again in {self.due - now:.1f} s")

    def retire(self) -> None:
        """It is not started again, and asked to end in its own order if it lives."""
        self._retired = True
        self.due = None
        if self.process:
            processes.send(self.process, signal.SIGTERM, signal.SIGCONT)

    def forget(self) -> None:
        """Removes the record: nothing outlived this keeper."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._record)

    def _write_record(self) -> None:
        if self.process is None:
            return
        fresh = f"{self._record}.new"
        try:
            with open(fresh, "w", encoding="ascii") as file:
                file.write(f"{self.process.pid} {self.process.start_time}\n")
            os.replace(fresh, self._record)
        except OSError as error:
            log.say(f"the host's pid cannot be written down: {error}")


def _environment(config: Config) -> dict[str, str]:
    name, _, value = config.mark.partition("=")
    result = {**os.environ, **config.environment, name: value}
    result.pop("NOTIFY_SOCKET", None)  # systemd is to hear from the keeper only
    return result


def recorded(record: str) -> Process | None:
    """The host that a dead keeper left behind, if it still lives."""
    try:
        with open(record, encoding="ascii") as file:
            pid, start_time = (int(word) for word in file.read().split())
    except (FileNotFoundError, ValueError):
        return None
    found = processes.read(pid)
    alive = found is not None and found.start_time == start_time and not found.ended
    return found if alive else None
