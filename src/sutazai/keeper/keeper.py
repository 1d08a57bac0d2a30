"""The loop: one thread, one selector, everything else called from here."""

from __future__ import annotations

import os
import selectors
import time

from sutazai.keeper import linux, log, reclaim
from sutazai.keeper.config import Config, listener_specs
from sutazai.keeper.control import Control, Reply
from sutazai.keeper.errors import BadInput, Unavailable
from sutazai.keeper.host import Host
from sutazai.keeper.listeners import Listeners
from sutazai.keeper.notify import notify
from sutazai.keeper.reaper import Journal, reap
from sutazai.keeper.runtime import Runtime
from sutazai.keeper.signals import Signals
from sutazai.keeper.stopping import Stop

_REAPED_AT_ONCE = 256
_FILES_FOR_OURSELVES = 128  # clients, journal, log, and what reading /proc needs


class Keeper:
    """The keeper of one runtime folder, whose lock ``runtime`` holds."""

    def __init__(self, config: Config, runtime: Runtime) -> None:
        self._config = config
        self._runtime = runtime
        self._selector = selectors.DefaultSelector()
        self._signals = Signals(self._selector)
        self._listeners = Listeners(linux.raise_open_files() - _FILES_FOR_OURSELVES)
        self._journal = Journal(runtime.folder)
        self._log = log.Bound(config.log, time.monotonic())
        self._host = Host(config, runtime.host_record)
        self._control = Control(self._selector, runtime.socket, self._answer)
        self._stop: Stop | None = None
        self._more_to_reap = False

    def start(self) -> None:
        """Binds everything, then starts the host. Raises KeeperError with nothing started."""
        linux.become_subreaper()
        reclaim.end_former_host(self._runtime.host_record, self._config.mark)
        reclaim.bind_first(self._listeners, self._config.listeners, self._config.mark)
        self._host.start(time.monotonic())
        notify(f"READY=1\nMAINPID={os.getpid()}")
        log.say(f"runs (pid {os.getpid()}), host {self._host.pid}")

    def run(self) -> int:
        """Serves until everything has been ended; the exit code."""
        while self._stop is None or not self._stop.finished:
            self._turn()
        return self._leave(self._stop)

    def close(self) -> None:
        """Gives back what a failed start took."""
        self._control.stop_listening()
        self._release()

    def _turn(self) -> None:
        for key, _ in self._selector.select(self._wait()):
            key.data()
        now = time.monotonic()
        self._reap(now)
        if self._signals.stop_asked and not self._stop:
            self._stop = self._begin_stop("a signal")
        if self._stop:
            self._stop.step(now)
        else:
            self._host.tend(now)
        self._control.drop_late(now)
        self._log.keep(now)

    def _wait(self) -> float:
        """Seconds until something is due."""
        if self._more_to_reap:
            return 0.0
        dues = [
            self._log.due,
            self._control.due(),
            self._stop.due if self._stop else self._host.due,
        ]
        return max(0.0, min(due for due in dues if due is not None) - time.monotonic())

    def _reap(self, now: float) -> None:
        ends = list(reap(_REAPED_AT_ONCE))
        for end in ends:
            self._journal.append(end)
            if end.pid == self._host.pid:
                self._host.ended(end, now)
        self._more_to_reap = len(ends) == _REAPED_AT_ONCE

    def _answer(self, request: dict[str, object], peer: int) -> Reply | None:
        match request.get("op"):
            case "listen":
                return self._listen(request)
            case "status":
                return Reply(self._status())
            case "stop":
                self._stop = self._stop or self._begin_stop(f"pid {peer}")
                self._stop.spare(peer)
                return None
            case unknown:
                raise BadInput(f"unknown op {unknown!r}: it is listen, status or stop")

    def _listen(self, request: dict[str, object]) -> Reply:
        if self._stop:
            raise Unavailable("everything is being stopped")
        held = self._listeners.listen(listener_specs(request.get("listeners")))
        ports = [one.port for one in held]
        return Reply({"ok": True, "ports": ports}, [one.socket for one in held])

    def _status(self) -> dict[str, object]:
        return {
            "ok": True,
            "pid": os.getpid(),
            "host_pid": self._host.pid,
            "host_restarts": self._host.restarts,
            "listeners": self._listeners.as_list(),
        }

    def _begin_stop(self, asked_by: str) -> Stop:
        notify("STOPPING=1")
        log.say(f"stops everything, asked by {asked_by}")
        return Stop(self._host, self._config, time.monotonic())

    def _leave(self, stop: Stop) -> int:
        """Gives everything back first, so that whoever is answered can start anew at once."""
        failure = stop.result()
        self._control.stop_listening()
        self._host.forget()
        self._release()
        log.say(failure.message if failure else "has stopped everything")
        self._control.answer_waiting({"error": failure.as_dict()} if failure else {"ok": True})
        self._control.close()
        return failure.exit_code if failure else 0

    def _release(self) -> None:
        self._listeners.close()
        self._journal.close()
        self._runtime.release()
