"""What a run of a declared workflow must hold to, to be taken in. Pure, but for its new id."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sutazai.fleet.errors import BadInput, NotFound
from sutazai.fleet.explain import did_you_mean
from sutazai.fleet.ids import new_id
from sutazai.fleet.templates import as_text
from sutazai.fleet.work import Run, RunRequest, WorkState
from sutazai.fleet.workflows import STANDARD, Workflow
from sutazai.tasks.calls import well_formed
from sutazai.tasks.checking import INPUT_MAX
from sutazai.tasks.workflow.layout import opening

SHOWN = 200


def find_workflow(name: str, workflows: Mapping[str, Workflow]) -> Workflow:
    """The workflow of that name. Raises NotFound."""
    if name not in workflows:
        near = did_you_mean(name, [*workflows, STANDARD])
        raise NotFound(
            f"there is no workflow {name!r}", hint=near or "declare it under `workflows`"
        )
    return workflows[name]


def declared_run(
    request: RunRequest, workflows: Mapping[str, Workflow], *, now: float
) -> tuple[Run, dict[str, Any]]:
    """The run, and its workflow as it is stored. Raises BadInput or NotFound."""
    workflow = find_workflow(request.workflow, workflows)
    if request.goal or request.backlog:
        raise BadInput(
            f"workflow `{request.workflow}` takes `input`, no goal or backlog",
            hint=f"only `{STANDARD}` works through a goal",
        )
    given = well_formed(request.input)
    size = len(json.dumps(given, ensure_ascii=False).encode())
    if size > INPUT_MAX:
        raise BadInput(f"the input is {size} bytes long; {INPUT_MAX} are allowed")
    run = Run(
        id=new_id("run"),
        workflow=request.workflow,
        goal=" ".join(f"{request.workflow} {as_text(given)}".split())[:SHOWN],
        input=given,
        state=WorkState.PENDING,
        created=now,
        steps=opening(workflow),
    )
    return run, workflow.model_dump(mode="json", by_alias=True, exclude_none=True)
