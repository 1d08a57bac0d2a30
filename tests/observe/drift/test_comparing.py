"""What is compared of each kind: declared and seen go in, facts come out."""

from __future__ import annotations

from sutazai.fleet.desired import DesiredUnit, Kind
from sutazai.fleet.drift import BackendHeld, BackendSetting, HostHeld, InstanceHeld
from sutazai.fleet.spec import MIB, Runtime
from sutazai.observe.drift.accepted import code_look, model_look, remembered
from sutazai.observe.drift.facts import Fact, Look
from sutazai.observe.drift.instances import environment_look, limits_look
from sutazai.observe.drift.outside import Stranger, backend_look, port_look
from sutazai.observe.drift.versions import version_look

GIB = 1024 * MIB


def planned(name: str = "tea", **update: object) -> DesiredUnit:
    unit = DesiredUnit(name=name, kind=Kind.AGENT, version="new", runtime=Runtime.COMMAND)
    return unit.model_copy(update=update)


def running(name: str, version: str, *, unit: str = "tea", **update: object) -> InstanceHeld:
    one = InstanceHeld(unit=unit, instance=name, version=version)
    return one.model_copy(update=update)


def of_host(*instances: InstanceHeld, cores: bool = True, **told: str) -> HostHeld:
    return HostHeld(told=told, pids={1000}, caps_cpu=cores, instances=instances)


def drifting(look: Look) -> list[Fact]:
    return [fact for fact in look.facts if fact.drifts]


def test_an_instance_of_another_version_drifts() -> None:
    two = of_host(running("tea-1", "new"), running("tea-2", "old"), tea="new")
    look = version_look({"tea": "new"}, two)
    assert [(one.instance, one.expected, one.seen) for one in drifting(look)] == [
        ("tea-2", "new", "old")
    ]
    assert len(look.facts) + look.same == 3


def test_an_old_instance_does_not_while_its_successor_starts() -> None:
    coming = of_host(running("tea-1", "old"), running("tea-2", "new", starting=True), tea="new")
    assert not drifting(version_look({"tea": "new"}, coming))


def test_a_host_that_was_told_something_else_drifts() -> None:
    house = running("gateway-1", "y", unit="gateway", plane=True)
    strange = running("strange-1", "x", unit="strange")
    host = of_host(house, strange, tea="planted", strange="x")
    look = version_look({"tea": "new", "gone": "new"}, host)
    assert [(one.unit, one.instance, one.expected, one.seen) for one in drifting(look)] == [
        ("gone", "", "new", "none"),
        ("strange", "", "none", "x"),
        ("tea", "", "new", "planted"),
        ("strange", "strange-1", "none", "x"),
    ]


def held(**update: object) -> InstanceHeld:
    one = running("tea-1", "new", grouped=True, memory=GIB, cores=1.0)
    return one.model_copy(update=update)


def test_limits_are_compared_to_the_page() -> None:
    units = [planned(memory_limit=GIB, cpu=0.5)]
    assert not drifting(limits_look(units, of_host(held())))
    assert not drifting(limits_look(units, of_host(held(memory=GIB + 1))))

    (memory,) = drifting(limits_look(units, of_host(held(memory=GIB + 8192))))
    assert (memory.what, memory.expected, memory.seen) == (
        "memory",
        "1073741824 bytes",
        "1073750016 bytes",
    )
    (lifted,) = drifting(limits_look(units, of_host(held(memory=None))))
    assert lifted.seen == "no limit"


def test_cores_are_compared_where_they_can_be_held() -> None:
    units, freed = [planned(memory_limit=GIB, cpu=0.5)], held(cores=None)
    (cores,) = drifting(limits_look(units, of_host(freed)))
    assert (cores.what, cores.expected, cores.seen) == ("cpu", "1 cores", "no limit")
    assert not drifting(limits_look(units, of_host(freed, cores=False)))


def test_who_is_in_no_group_is_said_to_be_unchecked() -> None:
    look = limits_look([planned(memory_limit=GIB)], of_host(held(grouped=False)))
    assert look == Look(unchecked=("limits of 1 instance: in no control group of their own",))


def test_variables_count_one_by_one() -> None:
    other = held(variables=4, differing={"KEY": "another value"})
    forked = held(instance="tea-2", variables=0, why="forked")
    look = environment_look([other, forked])
    assert [(one.what, one.seen) for one in look.facts] == [("KEY", "another value")]
    assert look.same == 3
    assert look.unchecked == ("environment of 1 instance: forked",)


def test_code_drifts_where_its_digest_does_or_it_is_gone_or_new() -> None:
    look = code_look(
        {"same": "a", "edited": "a", "gone": "a"}, {"same": "a", "edited": "b", "new": "c"}
    )
    assert [(one.unit, one.expected, one.seen) for one in drifting(look)] == [
        ("edited", "a", "b"),
        ("gone", "a", "no code"),
        ("new", "no code", "c"),
    ]


def test_a_model_drifts_from_what_it_first_was() -> None:
    first = [BackendHeld(name="own", available=True, digests={"llama": "sha256:1"})]
    known = remembered({}, first)
    assert not drifting(model_look(known, first))

    then = [
        BackendHeld(name="own", available=True, digests={"llama": "sha256:2", "phi": "sha256:9"}),
        BackendHeld(name="silent", available=True),
    ]
    known = remembered(known, then)
    look = model_look(known, then)

    (one,) = drifting(look)
    assert (one.what, one.expected, one.seen) == ("llama", "sha256:1", "sha256:2")
    assert known["own"] == {"llama": "sha256:1", "phi": "sha256:9"}
    assert look.unchecked == ("models of silent: no digests are told",)


def test_a_backend_drifts_by_the_setting() -> None:
    setting = BackendSetting(name="slots", wanted="4", actual="2")
    look = backend_look(
        [
            BackendHeld(name="good", available=True),
            BackendHeld(name="other", available=True, settings=(setting,)),
            BackendHeld(name="away", available=False),
        ]
    )
    assert [(one.unit, one.what, one.seen) for one in drifting(look)] == [("other", "slots", "2")]
    assert len(look.facts) == 2
    assert look.unchecked == ("settings of away: not available",)


def test_a_port_drifts_with_a_stranger_on_it() -> None:
    look = port_look({10300: "tea", 10301: "milk"}, [Stranger(10301, "::1", 7, "nc -l 10301")])
    (one,) = drifting(look)
    assert (one.unit, one.what) == ("milk", "10301")
    assert one.seen == "process 7 (nc -l 10301) on ::1"
    assert Stranger(1, "::").told == "another user's process on ::"
