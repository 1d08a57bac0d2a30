"""What a task must hold to before it is taken in. Pure, but for the file that it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection

from sutazai.fleet.errors import BadInput, NotFound
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.work import TaskRequest
from sutazai.tasks.calls import well_formed

DEADLINE_MAX = 86_400.0
KEY_MAX = 256
INPUT_MAX = 256 * 1024
NEEDS_MAX = 100
BATCH_MAX = 1_000


def check_deadline(seconds: float) -> None:
    """Raises BadInput for what no agent takes."""
    if not 0 < seconds <= DEADLINE_MAX:
        raise BadInput(f"`deadline` is a number of seconds up to {DEADLINE_MAX:.0f}")


def checked(request: TaskRequest, lanes: Collection[str]) -> TaskRequest:
    """``request`` as it is stored. Raises BadInput, or NotFound for who is not in the fleet."""
    check_deadline(request.deadline)
    if request.idempotency_key is not None and not 0 < len(request.idempotency_key) <= KEY_MAX:
        raise BadInput(f"`idempotency_key` has 1 to {KEY_MAX} characters")
    if len(request.depends_on) > NEEDS_MAX:
        raise BadInput(f"`depends_on` names {NEEDS_MAX} tasks at most")
    _check_target(request, lanes)
    given = well_formed(request.input)
    size = len(json.dumps(given, ensure_ascii=False).encode())
    if size > INPUT_MAX:
        raise BadInput(
            f"the input is {size} bytes long; {INPUT_MAX} are allowed",
            hint="write it to a file below the artifacts folder, and name that as `file`",
        )
    return request.model_copy(update={"input": given})


def digest_of(request: TaskRequest) -> str:
    """The same for tasks that ask the same of the same."""
    content = json.dumps([request.lane, request.input, request.file], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _check_target(request: TaskRequest, lanes: Collection[str]) -> None:
    if request.lane in lanes:
        return
    kind, _, name = request.lane.partition(":")
    known = [lane.partition(":")[2] for lane in lanes if lane.startswith(f"{kind}:")]
    near = did_you_mean(name, known)
    if kind == "agent":
        raise NotFound(
            f"there is no agent {name!r}",
            hint="\n".join(line for line in (near, "sutazai agents list") if line),
        )
    raise NotFound(f"no agent of the fleet has the {kind} {name!r}", hint=near)
