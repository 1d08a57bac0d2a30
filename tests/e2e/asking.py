"""Asks a fleet: its control by API, its agents at their front doors, without pause if wanted."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from tests.e2e.fleet import Fleet, eventually

PATIENCE = 100.0


def ask_control(fleet: Fleet, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
    """What control's API says, None while control is away. Much cheaper than a command."""
    headers = {"authorization": f"Bearer {fleet.token}"}
    try:
        answer = httpx.request(
            method, f"{fleet.control}/api/v1{path}", json=body, headers=headers, timeout=PATIENCE
        )
    except httpx.HTTPError:
        return None
    if answer.status_code >= 500:
        return None
    value: dict[str, Any] = answer.json()
    assert answer.status_code < 400, value
    return value


def status_of(fleet: Fleet) -> dict[str, Any]:
    """The fleet as it is, as soon as control tells."""
    told: dict[str, Any] = eventually(
        lambda: ask_control(fleet, "GET", "/status?memory=1"), PATIENCE, "control answers"
    )
    return told


def agent_of(fleet: Fleet, name: str) -> dict[str, Any]:
    """One agent as it is."""
    agents: list[dict[str, Any]] = status_of(fleet)["agents"]
    return next(one for one in agents if one["name"] == name)


@dataclass
class Ledger:
    """What was sent, by its id, and how it ended: what came back, or the error in words."""

    sent: dict[str, str] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def open(self) -> list[str]:
        """What has neither an answer nor an error."""
        return [one for one in self.sent if one not in self.answered and one not in self.failed]

    @property
    def answers(self) -> Counter[str]:
        """Answers by agent."""
        return Counter(self.sent[one] for one in self.answered)


class Caller:
    """Asks front doors as a program beside the fleet does, with a key that the fleet knows."""

    def __init__(self, fleet: Fleet) -> None:
        keys: dict[str, str] = json.loads((fleet.state / "keys.json").read_text())
        self._headers = {"authorization": f"Bearer {next(iter(keys.values()))}"}
        self._doors = {one["name"]: one["port"] for one in status_of(fleet)["agents"]}

    def ask(self, agent: str, text: object, *, patience: float = PATIENCE) -> httpx.Response:
        """The answer at the agent's front door."""
        url = f"http://127.0.0.1:{self._doors[agent]}/invoke"
        return httpx.post(url, json={"input": text}, headers=self._headers, timeout=patience)

    def health(self, agent: str) -> httpx.Response:
        """What the door says to a health check."""
        url = f"http://127.0.0.1:{self._doors[agent]}/health"
        return httpx.get(url, headers=self._headers, timeout=PATIENCE)

    @contextmanager
    def asking(self, agents: Iterable[str], *, at_once: int = 2) -> Iterator[Ledger]:
        """Asks these in turn as long as the block lasts; each gives back what it was asked."""
        ledger, names, over = Ledger(), list(agents), threading.Event()
        threads = [
            threading.Thread(target=self._keep_asking, args=(names[first::at_once], ledger, over))
            for first in range(at_once)
        ]
        for thread in threads:
            thread.start()
        try:
            yield ledger
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _keep_asking(self, names: list[str], ledger: Ledger, over: threading.Event) -> None:
        for number in count():
            agent = names[number % len(names)]
            one = f"{agent}/{number}"
            ledger.sent[one] = agent
            try:
                answer = self.ask(agent, one)
                right = answer.status_code == 200 and answer.json()["output"] == one
                (ledger.answered if right else ledger.failed)[one] = answer.text
            except httpx.HTTPError as error:
                ledger.failed[one] = repr(error)
            if over.is_set():
                return
