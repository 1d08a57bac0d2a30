"""Where the host is root: code is imported by the user that its agent is, in a zygote too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sutazai.fleet.desired import Isolation
from sutazai.fleet.status import State, UnitStatus
from sutazai.wire import Address
from tests.host.machine import Machine, agent

USER = 1_900_999_010
PLENTY = 60.0
SOURCE = """
import os
from sutazai.agent import Agent

IMPORTED = {"by": os.getuid(), "in": os.getpid(), "home": os.environ["HOME"]}

class Held(Agent):
    async def run(self, task):
        return {"imported": IMPORTED, "uid": os.getuid(), "here": os.getpid()}
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="users of their own take root")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    made = tmp_path / "code"
    made.mkdir()
    (made / "held.py").write_text(SOURCE)
    return str(made)


async def test_replicas_share_a_zygote_that_is_their_user(one: Machine, folder: str) -> None:
    unit = agent("held", "held:Held", directory=folder, replicas=2, isolation=Isolation(uid=USER))
    await one.want(unit)
    if not (isolation := (await one.status()).isolation).own:
        pytest.skip(f"no users of their own here: {isolation.why}")
    answers = await answers_of(one, await one.until("held", both_healthy, within=PLENTY))
    assert {answer["uid"] for answer in answers} == {USER}
    assert [answer["imported"]["by"] for answer in answers] == [USER, USER]
    assert answers[0]["imported"] == answers[1]["imported"]
    assert answers[0]["imported"]["home"] == str(one.places.home("held"))
    assert len({answer["here"] for answer in answers} | {answers[0]["imported"]["in"]}) == 3


async def test_one_instance_alone_imports_its_code_itself(one: Machine, folder: str) -> None:
    await one.want(agent("held", "held:Held", directory=folder, isolation=Isolation(uid=USER)))
    healthy = await one.until("held", lambda unit: unit.state is State.HEALTHY, within=PLENTY)
    (answer,) = await answers_of(one, healthy)
    assert answer["imported"]["in"] == answer["here"]


def both_healthy(unit: UnitStatus) -> bool:
    return [each.state for each in unit.instances] == [State.HEALTHY] * 2


async def answers_of(one: Machine, unit: UnitStatus) -> list[dict[str, Any]]:
    answers = []
    for instance in unit.instances:
        address = Address.parse(str(instance.address))
        answer = await one.client.call("POST", address, "/invoke", {"input": "who"})
        answers.append(answer["output"])
    return answers
