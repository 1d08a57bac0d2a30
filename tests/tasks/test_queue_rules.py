"""The rules of the queue: order, admission, dependencies, failures and routing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.declared import Priority
from sutazai.fleet.errors import (
    AgentFailed,
    BadInput,
    ConnectFailed,
    InstanceLost,
    NotFound,
    PoisonTask,
    QueueFull,
    SutazaiError,
)
from sutazai.fleet.order import cycles
from sutazai.fleet.queueing import TaskOverflow
from sutazai.fleet.work import Attempt, TaskRequest
from sutazai.store.intake import Load
from sutazai.store.turns import Candidate
from sutazai.tasks.dispatch.routing import Crew, Doer
from sutazai.tasks.queue.admission import Admission
from sutazai.tasks.queue.failing import DEATHS, Again, Patience, after
from sutazai.tasks.queue.needs import in_order
from sutazai.tasks.queue.rank import STEP, STEPS, rank
from sutazai.tasks.retries import Retries

priorities = st.sampled_from([*Priority])
times = st.integers(0, 10**9).map(lambda ms: ms / 1000)
"""Seconds, to the millisecond: two that differ by less are of the same moment."""


def request(agent: str = "helper", **wish: Any) -> TaskRequest:
    return TaskRequest.model_validate({"agent": agent, "input": 1, **wish})


@given(priorities, times, times)
def test_of_one_priority_the_older_goes_first(priority: Priority, one: float, two: float) -> None:
    assert (rank(priority, one) < rank(priority, two)) == (one < two)


@given(priorities, priorities, times)
def test_nothing_waits_for_ever(one: Priority, two: Priority, since: float) -> None:
    later = since + STEP * 2 + 1
    assert rank(one, since) < rank(two, later)
    assert (rank(one, since) < rank(two, since)) == (STEPS[one] < STEPS[two])


@given(st.integers(1, 20), st.integers(0, 30))
def test_the_queue_never_exceeds_its_bound(bound: int, total: int) -> None:
    rule = Admission(bound)
    if total < bound:
        assert rule.admit(request(), Load(total, {})).request == request()
    else:
        with pytest.raises(QueueFull):
            rule.admit(request(), Load(total, {}))


@given(priorities, priorities)
def test_only_the_less_urgent_is_shed(new: Priority, last: Priority) -> None:
    rule = Admission(1, overflow=TaskOverflow.SHED_LOWEST)
    load = Load(1, {}, last)
    if STEPS[new] < STEPS[last]:
        assert rule.admit(request(priority=new), load).sheds
    else:
        with pytest.raises(QueueFull):
            rule.admit(request(priority=new), load)


def test_a_full_agent_hands_on_to_one_that_is_alike() -> None:
    others = {"anna": ["bert", "carl"]}
    rule = Admission(10, 2, TaskOverflow.ANOTHER_AGENT, others)
    load = Load(4, {"agent:anna": 2, "agent:bert": 2})
    assert rule.admit(request("anna"), load).request.agent == "carl"
    with pytest.raises(QueueFull, match="2 tasks for bert"):
        rule.admit(request("bert"), load)


@given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=10))
def test_a_batch_is_ordered_or_refused(graph: list[set[int]]) -> None:
    requests = [
        request(idempotency_key=f"k{at}", depends_on=tuple(f"k{need}" for need in needs))
        for at, needs in enumerate(graph)
    ]
    if cycles({one.idempotency_key or "": one.depends_on for one in requests}):
        with pytest.raises(BadInput, match="in a circle"):
            in_order(requests)
        return
    order = in_order(requests)
    place = {at: order.index(at) for at in range(len(graph))}
    for at, needs in enumerate(graph):
        assert all(place[need] < place[at] for need in needs if need in place)


def test_a_batch_does_not_name_two_tasks_alike() -> None:
    with pytest.raises(BadInput, match="the same"):
        in_order([request(idempotency_key="k"), request(idempotency_key="k")])


PATIENCE = Patience(Retries(4, first=0.25), Retries(DEATHS - 1))
FAILURES: list[SutazaiError] = [AgentFailed("no"), ConnectFailed("no"), InstanceLost("no")]


def outcome(errors: list[SutazaiError], own: Retries) -> tuple[int, SutazaiError | None]:
    """How many attempts are made while these errors come, and how it ends."""
    earlier: list[Attempt] = []
    for number, error in enumerate(errors, 1):
        verdict = after(error, earlier, own, PATIENCE)
        if not isinstance(verdict, Again):
            return number, verdict
        assert verdict.delay >= 0
        attempt = Attempt(
            number=number, agent="a", executor="x", started=1.0, error=error.as_dict()
        )
        earlier.append(attempt)
    return len(errors), None


@given(st.lists(st.sampled_from(FAILURES), min_size=20, max_size=20), st.integers(0, 5))
def test_each_kind_of_failure_has_a_bound_of_its_own(
    errors: list[SutazaiError], retries: int
) -> None:
    made, end = outcome(errors, Retries(retries))
    assert end is not None
    seen = errors[:made]
    bounds = {AgentFailed: retries + 1, ConnectFailed: 5, InstanceLost: DEATHS}
    for kind, bound in bounds.items():
        assert sum(isinstance(error, kind) for error in seen) <= bound
    last = type(seen[-1])
    assert sum(isinstance(error, last) for error in seen) == bounds[last]
    assert isinstance(end, PoisonTask if last is InstanceLost else last)


def test_what_cannot_get_better_is_not_tried_again() -> None:
    for error in (BadInput("no"), NotFound("no")):
        assert outcome([error], Retries(5)) == (1, error)


def crew(**capacities: int) -> Crew:
    lanes = {name: (f"agent:{name}", "group:all") for name in capacities}
    return Crew(
        {name: Doer(name, capacity, 1.0, lanes[name]) for name, capacity in capacities.items()}
    )


doers = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 5), min_size=1)


@given(
    doers, st.lists(st.sampled_from(["group:all", *(f"agent:{n}" for n in "abcdef")])), st.data()
)
def test_nobody_gets_more_than_they_take_nor_what_they_cannot_do(
    capacities: dict[str, int], lanes: list[str], data: st.DataObject
) -> None:
    running = {name: data.draw(st.integers(0, capacity)) for name, capacity in capacities.items()}
    resting = data.draw(st.sets(st.sampled_from(sorted(capacities))))
    rule = crew(**capacities)
    rule.rest(dict.fromkeys(resting, "is stopped"))
    candidates = [Candidate(f"t{at}", lane) for at, lane in enumerate(lanes)]
    assigned = rule.assign(candidates, running)
    for candidate, agent in assigned:
        assert candidate.lane in ("group:all", f"agent:{agent}")
        assert agent not in resting
        running[agent] += 1
    assert all(running[name] <= capacity for name, capacity in capacities.items())
    taken = {candidate.id for candidate, _ in assigned}
    left = {each.lane for each in candidates if each.id not in taken}
    known = {lane for lane in left if lane in rule.lanes}
    assert known <= rule.closed(running) or not known


def test_the_quick_and_the_idle_get_more_and_a_run_stays_where_it_is() -> None:
    rule = crew(anna=2, bert=2)
    rule.learn("anna", 10.0)
    rule.learn("bert", 1.0)
    assert rule.assign([Candidate("t", "group:all")], {})[0][1] == "bert"
    assert rule.assign([Candidate("t", "group:all", "anna")], {})[0][1] == "anna"
    assert rule.assign([Candidate("t", "group:all", "anna")], {"anna": 2})[0][1] == "bert"


def test_why_a_task_has_to_wait_is_told() -> None:
    rule = crew(anna=1, bert=1)
    rule.rest({"bert": "is stopped"})
    assert rule.obstacle("group:all", {}) == ""
    told = rule.obstacle("group:all", {"anna": 1})
    assert told == "anna works on 1 task, its bound; bert is stopped"
    assert rule.obstacle("agent:carl", {}) == "the fleet has no agent carl"
