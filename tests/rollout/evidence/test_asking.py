"""The judging process: it answers, and whatever becomes of it, the answer is honest."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollout_findings import Verdict
from sutazai.rollout.evidence.asking import Judge
from sutazai.rollout.evidence.judging import judge
from tests.rollout.evidence.deliveries import evidence, version

CRITERIA = RolloutCriteria()
EVIDENCE = evidence(version(tokens=2.0), version())
WAIT = 60.0


def talking(script: str) -> tuple[str, ...]:
    return sys.executable, "-c", script


async def test_it_answers_as_the_pure_function_does_and_stays_for_more() -> None:
    async with Judge(within=WAIT) as judging:
        answers = await asyncio.gather(*(judging.ask(CRITERIA, EVIDENCE) for _ in range(2)))
        pid = judging.pid
        again = await judging.ask(CRITERIA, EVIDENCE)

        assert answers == [judge(CRITERIA, EVIDENCE)] * 2
        assert again == answers[0]
        assert judging.pid == pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_killed_judge_is_replaced_at_the_next_question() -> None:
    async with Judge(within=WAIT) as judging:
        await judging.ask(CRITERIA, EVIDENCE)
        assert judging.pid is not None
        os.kill(judging.pid, signal.SIGKILL)

        lost = await judging.ask(CRITERIA, EVIDENCE)
        again = await judging.ask(CRITERIA, EVIDENCE)

    assert lost.verdict is Verdict.INCONCLUSIVE
    assert "could not be judged" in lost.reason
    assert again.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import sys; sys.stdin.readline(); print('nonsense')", "not a judgement"),
        ("import sys; sys.stdin.readline(); print('{}')", "not a judgement"),
        ("import sys; sys.stdin.readline(); sys.stdout.write('{')", "it ended"),
        ("import sys; sys.stdin.readline(); print('x' * 3_000_000)", "judging process failed"),
        ("raise SystemExit('No module named scipy')", "No module named scipy"),
    ],
)
async def test_nonsense_is_inconclusive_and_says_so(script: str, reason: str) -> None:
    async with Judge(talking(script), within=WAIT) as judging:
        answer = await judging.ask(CRITERIA, EVIDENCE)

    assert answer.verdict is Verdict.INCONCLUSIVE
    assert reason in answer.reason


async def test_one_that_hangs_is_given_up() -> None:
    async with Judge(talking("import time; time.sleep(600)"), within=0.5) as judging:
        answer = await judging.ask(CRITERIA, EVIDENCE)

        assert "no answer within 0.5 s" in answer.reason
        assert judging.pid is None


async def test_one_that_cannot_start_is_inconclusive(tmp_path: Path) -> None:
    async with Judge((str(tmp_path / "missing"),)) as judging:
        answer = await judging.ask(CRITERIA, EVIDENCE)

    assert "cannot start" in answer.reason


async def test_an_answer_that_nobody_waits_for_is_not_the_next_ones() -> None:
    async with Judge(within=WAIT) as judging:
        asked = asyncio.create_task(judging.ask(CRITERIA, EVIDENCE))
        while judging.pid is None:
            await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

        good = evidence(version(), version())
        assert (await judging.ask(CRITERIA, good)).verdict is Verdict.PASS


def test_what_control_imports_brings_no_scipy() -> None:
    script = (
        "import sys, sutazai.rollout.guards, sutazai.rollout.evidence.asking\n"
        "print(sorted({'scipy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(talking(script), check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"
