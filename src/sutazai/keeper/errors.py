"""The keeper's errors, in the one form in which errors cross between processes.

::

    KeeperError
    ├── BadInput        the configuration or a request cannot be used  (exit 2)
    ├── PortTaken       somebody else listens there                    (exit 2)
    ├── Refused         not allowed                                    (exit 3)
    ├── AlreadyRunning  a keeper lives on this runtime folder          (exit 5)
    ├── Unavailable     not now: a bound is reached, or it is stopping (exit 6)
    └── Failed          it was done and went wrong                     (exit 1)

The names and the form are those of ``sutazai.fleet.errors``, which may not be imported here.
"""

from __future__ import annotations


class KeeperError(Exception):
    """Root of what the keeper raises.

    Args:
        message: what is wrong, in one sentence, without a trailing full stop.
        hint: what to do about it, or empty.
        data: JSON-ready facts for programs.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data = data

    def as_dict(self) -> dict[str, object]:
        """``{"code", "message", "hint"?, "data"?}``, ready for JSON."""
        result: dict[str, object] = {"code": type(self).__name__, "message": self.message}
        if self.hint:
            result["hint"] = self.hint
        if self.data:
            result["data"] = self.data
        return result


class BadInput(KeeperError):
    exit_code = 2


class PortTaken(KeeperError):
    exit_code = 2


class Refused(KeeperError):
    exit_code = 3


class AlreadyRunning(KeeperError):
    exit_code = 5


class Unavailable(KeeperError):
    exit_code = 6


class Failed(KeeperError):
    pass
