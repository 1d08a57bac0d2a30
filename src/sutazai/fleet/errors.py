"""The one error tree.

::

    SutazaiError
    ├── BadFleet             the fleet file cannot be used            (exit 2, HTTP 422)
    ├── BadInput             a request or an option cannot be used    (exit 2, HTTP 400)
    ├── Refused              not allowed                              (exit 3, HTTP 403)
    │   ├── Unauthenticated  no or a wrong token or key               (exit 3, HTTP 401)
    │   └── TaskStopped      its budget is spent, or it went in circles
    ├── NotFound             no such agent, run, model, file          (exit 4, HTTP 404)
    ├── Conflict             it cannot be done in the present state   (exit 5, HTTP 409)
    │   ├── AlreadyRunning   a fleet runs on this state folder
    │   ├── PortTaken        somebody else listens there
    │   └── Deadlock         agents would wait for each other for ever
    ├── Unavailable          a part that is needed is not there       (exit 6, HTTP 503)
    │   ├── NotRunning       no fleet runs on this state folder
    │   ├── ConnectFailed    no connection could be made
    │   ├── QueueFull        a bounded queue is at its bound          (HTTP 429)
    │   ├── DiskFull         nothing more can be written              (HTTP 507)
    │   └── NoModel          no LLM can be had
    ├── DeadlineExceeded     it took longer than allowed              (exit 7, HTTP 504)
    └── Failed               it was done and went wrong               (exit 1, HTTP 500)
        ├── PeerClosed       the other side went away in the midst    (HTTP 502)
        ├── BadPeer          the other side speaks nonsense           (HTTP 502)
        ├── InstanceLost     the instance died while it worked        (HTTP 502)
        ├── PoisonTask       every instance that worked on it died
        ├── TaskLost         who worked on it died, or what it depends on failed
        ├── BadCheckpoint    a checkpoint is damaged, or of another format
        └── AgentFailed      the agent's own code failed

Each error is a fact by name, carries its data, may carry a hint that says what to do, and keeps
its cause (``raise X(...) from cause``). ``as_dict`` is the one form in which errors cross between
processes; ``from_dict`` restores it.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SutazaiError(Exception):
    """Root of every error this product raises.

    Args:
        message: what is wrong, in one sentence, without a trailing full stop.
        hint: what to do about it, or None where there is nothing to say.
        data: JSON-ready facts for programs (names, ports, paths).
    """

    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data = data

    @property
    def code(self) -> str:
        """The error's stable name, as it stands in JSON: the class name."""
        return type(self).__name__

    def as_dict(self) -> dict[str, Any]:
        """``{"code", "message", "hint"?, "data"?}``, ready for JSON."""
        result: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            result["hint"] = self.hint
        if self.data:
            result["data"] = self.data
        return result


def drop_traces(error: BaseException) -> None:
    """Drop the tracebacks of an error that has been told, and of what led to it.

    They hold all that was in use where it was raised, often the error itself too: such a ring stays
    in memory until the garbage collector looks at everything there is.
    """
    seen: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in seen:
        seen.append(each)
        each.__traceback__ = None
        each = each.__cause__ or each.__context__


class BadFleet(SutazaiError):
    http_status = 422
    exit_code = 2


class BadInput(SutazaiError):
    http_status = 400
    exit_code = 2


class Refused(SutazaiError):
    http_status = 403
    exit_code = 3


class Unauthenticated(Refused):
    http_status = 401


class TaskStopped(Refused):
    pass


class NotFound(SutazaiError):
    http_status = 404
    exit_code = 4


class Conflict(SutazaiError):
    http_status = 409
    exit_code = 5


class AlreadyRunning(Conflict):
    pass


class PortTaken(Conflict):
    exit_code = 2


class Deadlock(Conflict):
    pass


class Unavailable(SutazaiError):
    http_status = 503
    exit_code = 6


class NotRunning(Unavailable):
    pass


class ConnectFailed(Unavailable):
    pass


class QueueFull(Unavailable):
    http_status = 429


class DiskFull(Unavailable):
    http_status = 507


class NoModel(Unavailable):
    pass


class DeadlineExceeded(SutazaiError):
    http_status = 504
    exit_code = 7


class Failed(SutazaiError):
    pass


class PeerClosed(Failed):
    http_status = 502


class BadPeer(Failed):
    http_status = 502


class InstanceLost(Failed):
    http_status = 502


class PoisonTask(Failed):
    pass


class TaskLost(Failed):
    pass


class BadCheckpoint(Failed):
    pass


class AgentFailed(Failed):
    pass


def _tree(root: type[SutazaiError]) -> dict[str, type[SutazaiError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_tree(child))
    return found


def from_dict(value: dict[str, Any]) -> SutazaiError:
    """The error that ``as_dict`` described; an unknown code becomes ``Failed``."""
    kind = _tree(SutazaiError).get(str(value.get("code")), Failed)
    data = value.get("data")
    return kind(
        str(value.get("message", "unknown error")),
        hint=value.get("hint"),
        **(data if isinstance(data, dict) else {}),
    )
