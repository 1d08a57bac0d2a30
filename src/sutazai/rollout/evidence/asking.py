"""The edge to the process that judges: SciPy stays out of the one that asks.

    async with Judge() as judge:
        judgement = await judge.ask(criteria, evidence)

The process starts with the first question, answers one after the other, and ends with the judge.
Where it is killed, hangs or talks nonsense, the answer is inconclusive and says so; the next
question starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from sutazai.fleet.errors import BadPeer, DeadlineExceeded, SutazaiError, Unavailable
from sutazai.fleet.rollout_criteria import RolloutCriteria
from sutazai.fleet.rollout_findings import Judgement, unknown
from sutazai.rollout.evidence.delivered import Evidence
from sutazai.rollout.evidence.lines import ANSWER, QUESTION, Question

COMMAND = (sys.executable, "-m", "sutazai.rollout.evidence")
ANSWERS_WITHIN = 30.0
ENDS_WITHIN = 5.0
LONGEST_ANSWER = 1024 * 1024
TOLD = 500
LESS_URGENT = 10
"""Added to its niceness: what agents and the gateway do goes first."""
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Judge:
    """Owns the judging process.

    Args:
        command: what is run for it.
        within: seconds for one answer, the start of the process included.
    """

    def __init__(self, command: Sequence[str] = COMMAND, *, within: float = ANSWERS_WITHIN) -> None:
        self._command = tuple(command)
        self._within = within
        self._process: asyncio.subprocess.Process | None = None
        self._errors: IO[bytes] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int | None:
        """The judging process, None while there is none."""
        return self._process.pid if self._process else None

    async def ask(self, criteria: RolloutCriteria, evidence: Evidence) -> Judgement:
        """The judgement; inconclusive with the reason where none could be had. Never raises."""
        question = QUESTION.dump_json(Question(criteria, evidence)) + b"\n"
        async with self._one_at_a_time:
            try:
                return await self._answer(question)
            except SutazaiError as error:
                await self.close()
                return unknown(f"the evidence could not be judged: {error}")
            except BaseException:
                # An answer that nobody waits for must not become that of the next question.
                await self.close()
                raise

    async def close(self) -> None:
        """End the process. It has nothing to save."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    async def _answer(self, question: bytes) -> Judgement:
        try:
            async with asyncio.timeout(self._within):
                line = await self._exchange(question)
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer within {self._within:g} s") from error
        try:
            return ANSWER.validate_json(line)
        except ValueError as error:
            raise BadPeer(f"its answer is not a judgement: {line[:TOLD]!r}") from error

    async def _exchange(self, question: bytes) -> bytes:
        process = self._process or await self._start()
        assert process.stdin is not None  # noqa: S101 (a pipe)
        assert process.stdout is not None  # noqa: S101 (a pipe)
        try:
            process.stdin.write(question)
            await process.stdin.drain()
            line = await process.stdout.readline()
        except (ConnectionError, ValueError) as error:
            raise self._gone(f"{error}") from error
        if not line.endswith(b"\n"):
            raise self._gone("it ended")
        return line

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            self._errors = TemporaryFile()  # noqa: SIM115 (closed by close)
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._errors,
                env=os.environ | _ONE_THREAD,
                limit=LONGEST_ANSWER,
            )
        except OSError as error:
            raise Unavailable(f"the judging process cannot start: {error}") from error
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, self._process.pid, LESS_URGENT)
        return self._process

    def _gone(self, what: str) -> Unavailable:
        assert self._errors is not None  # noqa: S101 (it has started)
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - TOLD))
        last = self._errors.read().decode(errors="replace").strip().splitlines()
        return Unavailable(
            f"the judging process failed ({what}{': ' + last[-1] if last else ''})",
            hint="install SciPy with `pip install 'sutazai[rollouts]'` if it is missing",
        )
