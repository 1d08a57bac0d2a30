"""Answers a minute of a real LLM server with many agents: in the gateway's order, and without.

    python -m benchmarks.goodput [--json OUT] [--case CASE …] [--agents N] [--each N] [--seconds S]

Agents with instructions of their own, of about 350 tokens each, ask the embedded LLM server, which
has two slots: all their requests are there at once, in random order. Once they go straight to the
server, which serves first come first served, once through a gateway process. All bodies differ, all
answers have the same length, no answer is kept and none is computed for two, so only the order
differs. Each measurement has a server of its own that has computed as many of the agents' prompts
as its cache in host memory holds; what is answered in a time counts. Cases, by that cache:

- ``ram_cache_off``: none; what a slot computed last is all that is kept.
- ``ram_cache_small``: a quarter of what the agents' prompts need, as a larger model leaves it.
- ``ram_cache_on``: more than they need.

Figures for each case: ``answers_per_minute``, ``prompt_tokens_evaluated``, ``prompt_tokens_cached``
(of the prompts of those answers, as the server counts them), ``answers``, ``agents_answered`` for
``sutazai`` and ``direct``; ``ratio`` of answers a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.prompted.agents import (
    REQUEST_TOKENS,
    SYSTEM_TOKENS,
    Agent,
    fleet,
    greetings,
    requests,
)
from benchmarks.prompted.asking import Tally, ask_all, ask_one_by_one
from benchmarks.prompted.servers import SLOTS, gateway, llm
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.llm.memory import cache_bytes_per_token
from sutazai.llm.models import find_model

CASES: Mapping[str, float] = {"ram_cache_off": 0.0, "ram_cache_small": 0.25, "ram_cache_on": 2.0}
"""Size of the cache, by what the agents' prompts need."""

SIDES = ("direct", "sutazai")
_SPARE = 1.2  # so much more is computed before than the cache holds, so that it is full


_FIGURES: Mapping[str, Callable[[Tally], float]] = {
    "answers_per_minute": lambda tally: round(tally.per_minute, 1),
    "prompt_tokens_evaluated": lambda tally: tally.evaluated,
    "prompt_tokens_cached": lambda tally: tally.cached,
    "answers": lambda tally: len(tally.answers),
    "agents_answered": lambda tally: tally.agents,
}


@dataclass(frozen=True)
class Options:
    cases: tuple[str, ...]
    agents: int
    each: int
    seconds: float


async def measure(options: Options) -> dict[str, Any]:
    tallies: dict[str, dict[str, Tally]] = {}
    for number, case in enumerate(options.cases):
        # By turns, so that a machine that becomes slower or faster favours neither.
        sides = SIDES if number % 2 == 0 else SIDES[::-1]
        tallies[case] = {side: await measure_one(options, case, side) for side in sides}
        print(f"{case}: ratio {_ratio(tallies[case]):.2f}", file=sys.stderr, flush=True)
    return {
        "agents": options.agents,
        "slots": SLOTS,
        "ratio": {case: round(_ratio(of_case), 3) for case, of_case in tallies.items()},
        **{
            name: {
                side: {case: read(of_case[side]) for case, of_case in tallies.items()}
                for side in SIDES[::-1]
            }
            for name, read in _FIGURES.items()
        },
    }


def _ratio(of_case: Mapping[str, Tally]) -> float:
    return of_case["sutazai"].per_minute / of_case["direct"].per_minute


async def measure_one(options: Options, case: str, side: str) -> Tally:
    agents, share = fleet(options.agents), CASES[case]
    asked = requests(agents, options.each)
    with tempfile.TemporaryDirectory(prefix="sz") as name:
        folder = Path(name)
        async with llm(folder, prompt_cache=int(share * _needed(len(agents)))) as server:
            await ask_one_by_one(server, greetings(_known(agents, share)), at_once=SLOTS)
            if side == "direct":
                return await ask_all(server, asked, seconds=options.seconds)
            async with gateway(folder, server, agents) as front:
                return await ask_all(front, asked, seconds=options.seconds)


def _known(agents: list[Agent], share: float) -> list[Agent]:
    """Whose prompts are computed before: what the cache holds and a little more, or else as many
    as there are slots."""
    count = min(len(agents), max(SLOTS, math.ceil(_SPARE * share * len(agents))))
    return random.Random(3).sample(agents, count)


def _needed(agents: int) -> int:
    """Bytes of the agents' prompts, each with a question and its answer."""
    per_token = cache_bytes_per_token(find_model(EmbeddedLlm().model).head)
    assert per_token is not None, "the built-in model tells its shape"
    return per_token * (SYSTEM_TOKENS + REQUEST_TOKENS) * agents


def main() -> None:
    parser = argparse.ArgumentParser(description="Answers a minute, in the gateway's order or not")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--case", action="append", choices=tuple(CASES), help="all without it")
    parser.add_argument("--agents", type=int, default=69)
    parser.add_argument("--each", type=int, default=8, help="requests of each agent")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    given = parser.parse_args()
    options = Options(tuple(given.case or CASES), given.agents, given.each, given.seconds)
    text = json.dumps(asyncio.run(measure(options)), indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
