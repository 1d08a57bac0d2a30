"""How an instance ended, with its last words."""

from __future__ import annotations

import time

from sutazai.fleet.status import Exit
from sutazai.host.instances.exits import Ending
from sutazai.host.instances.instance import Instance
from sutazai.host.limits import Usage, judge


def exit_of(instance: Instance, ending: Ending, last: Usage | None) -> Exit:
    """The end of an instance that was not asked for; ``last`` is what it had taken."""
    said = f"{instance.stop_reason}; " if instance.stop_reason else ""
    verdict = judge(ending, last, survived=instance.survived)
    return Exit(
        instance=instance.name,
        at=time.time(),
        status=ending.status,
        signal=ending.signal,
        reason=said + verdict.reason,
        out_of_memory=verdict.out_of_memory,
        peak=last.peak if last else None,
        limit=last.limit if last else None,
        lines=tuple(instance.output.last_lines),
    )
