"""Every fact has a meaning for a fleet, and where something is wrong, a remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sutazai.cli.doctor import Finding, Level, worst
from sutazai.cli.doctor.folders import Folder, runtime_finding, state_finding
from sutazai.cli.doctor.machine import (
    cores_finding,
    files_finding,
    gpu_finding,
    limits_finding,
    memory_finding,
    pressure_finding,
    swap_finding,
    system_finding,
)
from sutazai.cli.doctor.models import (
    Embedded,
    embedded_finding,
    model_findings,
    ollama_finding,
    ollama_settings_finding,
)
from sutazai.cli.doctor.ports import Holder, free_base, port_findings
from sutazai.fleet.errors import NoModel
from sutazai.fleet.places import Places
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.spec import Ports
from sutazai.host.machine import (
    Cgroups,
    Cores,
    Disk,
    Gpu,
    Listener,
    Machine,
    Memory,
    OpenFiles,
    Pressure,
    System,
)
from sutazai.llm.detect import Look, Ollama
from sutazai.llm.models import find_model
from sutazai.wire import Address

GIB = 1024**3
SYSTEM = System(kernel="6.8.0", wsl=0, container=None, root=False)
MEMORY = Memory(total=32 * GIB, available=20 * GIB, swap_total=0, swap_free=0, limit=None)
V2 = Cgroups("v2", ("cpu", "memory"), ("cpu", "memory"), "/sys/fs/cgroup/ours")
MACHINE = Machine(
    system=SYSTEM,
    memory=MEMORY,
    cores=Cores(online=12, allowed=12, quota=None),
    cgroups=V2,
    pressure=Pressure(0.0, 0.0, 0.0),
    open_files=OpenFiles(1024, 1048576),
)


class TestMachine:
    def test_linux_carries_a_fleet(self) -> None:
        finding = system_finding(SYSTEM)

        assert (finding.level, finding.found) == (Level.OK, "Linux 6.8.0")

    def test_rights_and_container_are_told(self) -> None:
        finding = system_finding(replace(SYSTEM, container="docker", root=True))

        assert finding.found == "Linux 6.8.0, in a docker container, as root"

    def test_wsl_1_is_no_place_for_a_fleet(self) -> None:
        finding = system_finding(replace(SYSTEM, wsl=1))

        assert finding.level is Level.PROBLEM
        assert "wsl --set-version" in finding.fix

    def test_wsl_2_says_where_its_memory_is_set(self) -> None:
        finding = system_finding(replace(SYSTEM, wsl=2))

        assert finding.level is Level.NOTE
        assert ".wslconfig" in finding.fix

    def test_memory_enough(self) -> None:
        assert memory_finding(MEMORY).found == "20GiB free of 32GiB"

    @pytest.mark.parametrize("memory", [replace(MEMORY, available=GIB), replace(MEMORY, limit=GIB)])
    def test_little_memory_is_a_warning(self, memory: Memory) -> None:
        assert memory_finding(memory).level is Level.WARNING

    def test_a_limit_of_the_group_is_told(self) -> None:
        finding = memory_finding(replace(MEMORY, limit=8 * GIB))

        assert "this group may take 8GiB" in finding.found

    def test_without_swap_it_says_how_to_make_some(self) -> None:
        finding = swap_finding(MEMORY, SYSTEM)

        assert finding.level is Level.NOTE
        assert finding.fix.startswith("sudo fallocate -l 4G /swapfile && sudo chmod 600")

    def test_root_needs_no_sudo_and_a_container_makes_no_swap(self) -> None:
        assert "sudo" not in swap_finding(MEMORY, replace(SYSTEM, root=True)).fix
        assert "swapon" not in swap_finding(MEMORY, replace(SYSTEM, container="docker")).fix
        assert ".wslconfig" in swap_finding(MEMORY, replace(SYSTEM, wsl=2)).fix

    def test_swap_in_use_for_want_of_memory_is_a_warning(self) -> None:
        memory = replace(MEMORY, available=GIB, swap_total=4 * GIB, swap_free=GIB)

        assert swap_finding(memory, SYSTEM).level is Level.WARNING
        assert swap_finding(replace(memory, swap_free=4 * GIB), SYSTEM).level is Level.OK

    def test_a_quota_of_cores_bounds_the_models_threads(self) -> None:
        finding = cores_finding(Cores(online=64, allowed=64, quota=2.5))

        assert finding.level is Level.WARNING
        assert finding.fix.endswith("threads: 2")

    def test_delegated_groups_are_used(self) -> None:
        finding = limits_finding(MACHINE)

        assert finding.level is Level.OK
        assert finding.found == "cgroup v2, ours to use: cpu, memory"
        assert "holds each instance to its memory" in finding.meaning

    @pytest.mark.parametrize(
        ("groups", "found"),
        [
            (Cgroups("none"), "no control groups"),
            (replace(V2, writable=()), "/sys/fs/cgroup/ours is not delegated to us"),
            (replace(V2, controllers=("pids",), writable=()), "without the memory controller"),
            (replace(V2, version="v1", writable=("cpu",)), "is not delegated to us"),
        ],
    )
    def test_groups_that_are_not_ours_are_noted(self, groups: Cgroups, found: str) -> None:
        finding = limits_finding(replace(MACHINE, cgroups=groups))

        assert finding.level is Level.NOTE
        assert found in finding.found

    def test_how_to_get_a_group_delegated(self) -> None:
        finding = limits_finding(replace(MACHINE, cgroups=replace(V2, writable=())))

        assert "Delegate=yes" in finding.fix

    def test_pressure_is_told_or_not(self) -> None:
        told = pressure_finding(Pressure(1.5, 0.0, 12.0))
        silent = pressure_finding(Pressure(None, None, None))

        assert told.found == "cpu 1.5 %, memory 0 %, io 12 % of the last 10 s spent waiting"
        assert (told.level, silent.level) == (Level.OK, Level.NOTE)
        assert "psi=1" in silent.fix

    def test_memory_that_is_waited_for_now_is_a_warning(self) -> None:
        assert pressure_finding(Pressure(0.0, 30.0, 0.0)).level is Level.WARNING

    def test_only_the_hard_limit_of_open_files_counts(self) -> None:
        assert files_finding(OpenFiles(1024, 1048576)).level is Level.OK
        assert files_finding(OpenFiles(None, None)).level is Level.OK
        assert files_finding(OpenFiles(1024, 4096)).level is Level.WARNING

    def test_gpus_are_told_with_their_memory(self) -> None:
        finding = gpu_finding([Gpu("nvidia", "RTX 3050", 4 * GIB, 3 * GIB)])

        assert finding.found == "RTX 3050 (4GiB, 3GiB free)"

    def test_a_gpu_without_its_tools_is_noted(self) -> None:
        assert gpu_finding([Gpu("intel", "intel graphics")]).level is Level.NOTE
        assert gpu_finding([]).level is Level.OK


class TestModels:
    OLLAMA = Ollama(Address.parse("http://127.0.0.1:11434"), "0.12.3", ("a:1b", "b:2b"), ("a:1b",))
    LOOK = Look(OLLAMA.address, OLLAMA)
    NONE = Look(OLLAMA.address, None, "nothing answers at http://127.0.0.1:11434")

    @staticmethod
    def embedded(*, library: bool = True, missing: bool = False) -> Embedded:
        error = NoModel("the model x is not installed", hint="pip install x")
        model = error if missing else find_model("smollm2-135m-instruct")
        return Embedded(library, model, EmbeddedLlm())

    def test_an_ollama_that_answers_is_used(self) -> None:
        finding = ollama_finding(self.LOOK)

        assert finding.level is Level.OK
        assert finding.found == (
            "version 0.12.3 at http://127.0.0.1:11434, models: a:1b, b:2b; loaded: a:1b"
        )

    def test_many_models_are_not_all_told(self) -> None:
        ollama = replace(self.OLLAMA, models=tuple(f"m{number}" for number in range(30)))

        finding = ollama_finding(replace(self.LOOK, ollama=ollama))

        assert "m4 and 25 more" in finding.found

    def test_an_ollama_without_models_says_what_to_pull(self) -> None:
        finding = ollama_finding(replace(self.LOOK, ollama=replace(self.OLLAMA, models=())))

        assert finding.level is Level.NOTE
        assert finding.fix.startswith("ollama pull")

    def test_without_an_ollama_the_reason_is_told(self) -> None:
        assert ollama_finding(self.NONE).found == self.NONE.reason

    def test_its_settings_are_shown_and_nothing_else_of_its_environment(self) -> None:
        environment = {"OLLAMA_NUM_PARALLEL": "2", "OLLAMA_KEEP_ALIVE": "30s", "SECRET": "x"}

        finding = ollama_settings_finding(environment)

        assert finding.found == "OLLAMA_NUM_PARALLEL=2, OLLAMA_KEEP_ALIVE=30s"
        assert "slots: 2" in finding.fix

    def test_settings_that_are_not_given_or_cannot_be_seen(self) -> None:
        assert "as Ollama decides" in ollama_settings_finding({}).found
        assert "cannot be seen" in ollama_settings_finding(None).found

    def test_the_embedded_llm_tells_what_memory_it_takes(self) -> None:
        finding = embedded_finding(self.embedded(), needed=True)

        assert finding.level is Level.OK
        assert "up to 1GiB with 2 slots of 4096 tokens" in finding.meaning

    @pytest.mark.parametrize(
        ("library", "missing", "fix"),
        [
            (False, False, "pip install 'sutazai[llm]'"),
            (True, True, "pip install x"),
            (False, True, "pip install 'sutazai[llm]', and pip install x"),
        ],
    )
    def test_what_it_lacks_is_said_with_what_to_install(
        self, library: bool, missing: bool, fix: str
    ) -> None:
        finding = embedded_finding(self.embedded(library=library, missing=missing), needed=True)

        assert (finding.level, finding.fix) == (Level.PROBLEM, fix)

    def test_it_may_be_missing_where_an_ollama_answers(self) -> None:
        missing = self.embedded(library=False)

        with_ollama = model_findings(self.LOOK, {}, missing)
        without = model_findings(self.NONE, None, missing)

        assert [found.subject for found in with_ollama] == [
            "ollama",
            "ollama settings",
            "embedded llm",
        ]
        assert worst(with_ollama) is Level.NOTE
        assert worst(without) is Level.PROBLEM


class TestPorts:
    STATE = Path("/state/ours")
    PORTS = Ports()

    def findings(self, *holders: Holder) -> list[Finding]:
        return port_findings(self.PORTS, holders, self.STATE)

    def test_free_ports(self) -> None:
        assert [(found.subject, found.found) for found in self.findings()] == [
            ("port 10010", "free"),
            ("port 10011", "free"),
            ("port 10104", "free"),
            ("ports 10300-10599", "free"),
        ]

    def test_a_running_fleet_holds_its_own(self) -> None:
        ports = (10010, 10011, 10104, 10300)
        own = [Holder(Listener("127.0.0.1", port), self.STATE) for port in ports]

        findings = self.findings(*own)

        assert worst(findings) is Level.OK
        assert findings[3].found == "1 held by this fleet, which runs"

    def test_a_stranger_is_named_and_a_free_base_is_proposed(self) -> None:
        stranger = Holder(Listener("0.0.0.0", 10010, 77, "nginx: master process"))

        control, _, gateway, _ = self.findings(stranger)

        assert control.level is Level.PROBLEM
        assert control.found == "taken: 10010 by process 77 (nginx: master process)"
        assert control.fix.endswith("sutazai up --port-base 20010")
        assert gateway.level is Level.OK

    def test_another_fleet_is_named_by_its_folder(self) -> None:
        other = Holder(Listener("127.0.0.1", 10104, 78, "keeper"), Path("/state/other"))

        _, _, gateway, _ = self.findings(other)

        assert gateway.found == "taken: 10104 by the fleet of /state/other"

    def test_what_other_users_hold_has_no_name(self) -> None:
        control, *_ = self.findings(Holder(Listener("127.0.0.1", 10010)))

        assert control.found == "taken: 10010 by another user's process"

    def test_taken_ports_of_agents_are_a_warning(self) -> None:
        taken = [Holder(Listener("127.0.0.1", 10300 + n, n, "x" * 100)) for n in range(1, 6)]

        *_, agents = self.findings(*taken)

        assert agents.level is Level.WARNING
        assert agents.found.endswith("and 2 more")
        assert len(agents.found) < 300

    def test_who_listens_on_another_address_does_not_clash(self) -> None:
        assert worst(self.findings(Holder(Listener("10.0.0.1", 10010, 1, "x")))) is Level.OK

    def test_everybody_clashes_with_a_fleet_on_every_address(self) -> None:
        ports = Ports(host="0.0.0.0")

        findings = port_findings(ports, [Holder(Listener("10.0.0.1", 10010, 1, "x"))], self.STATE)

        assert worst(findings) is Level.PROBLEM

    def test_a_base_is_proposed_only_if_all_is_free_there(self) -> None:
        assert free_base(self.PORTS, set()) == 20010
        assert free_base(self.PORTS, {20104}) == 21010
        assert free_base(self.PORTS, {20104, 21300, 22010, 23599}) == 24010

    def test_no_base_is_proposed_where_the_kernel_gives_out_ports(self) -> None:
        assert free_base(self.PORTS, set(range(20_000, 32_768, 100))) is None
        assert free_base(Ports(control=40_010), set()) is None


class TestFolders:
    DISK = Disk("/", total=100 * GIB, free=50 * GIB, filesystem="ext4", windows=False)
    PLACES = Places(state=Path("/state"), runtime=Path("/run/user/1000/sutazai/abc"))
    ME = 1000
    INSIDE = Folder(PLACES.runtime, owner=ME, mode=0o700)
    AROUND = Folder(PLACES.runtime.parent, owner=ME, mode=0o755)

    def state(self, **changes: object) -> Finding:
        return state_finding(Path("/state"), replace(self.DISK, **changes))  # type: ignore[arg-type]

    def test_a_local_disk_with_room(self) -> None:
        finding = self.state()

        assert finding.level is Level.OK
        assert finding.found == "/state: 50GiB free of 100GiB (ext4)"

    @pytest.mark.parametrize(
        ("changes", "level"),
        [
            ({"free": 3 * GIB}, Level.WARNING),
            ({"free": GIB // 2}, Level.PROBLEM),
            ({"filesystem": "tmpfs"}, Level.WARNING),
            ({"filesystem": "nfs4"}, Level.PROBLEM),
            ({"filesystem": "9p", "windows": True}, Level.PROBLEM),
        ],
    )
    def test_what_is_wrong_with_the_disk_has_a_remedy(
        self, changes: dict[str, object], level: Level
    ) -> None:
        finding = self.state(**changes)

        assert finding.level is level
        assert finding.fix

    def test_a_windows_drive_is_left_for_a_folder_inside_of_linux(self) -> None:
        assert "inside of Linux" in self.state(filesystem="9p", windows=True).fix

    def runtime(self, folder: Folder = INSIDE, around: Folder = AROUND) -> Finding:
        return runtime_finding(self.PLACES, folder, around, self.ME)

    def test_a_private_runtime_folder(self) -> None:
        assert self.runtime().level is Level.OK

    def test_one_that_is_not_there_yet_will_be_made(self) -> None:
        finding = self.runtime(Folder(self.PLACES.runtime), Folder(self.PLACES.runtime.parent))

        assert finding.level is Level.OK

    def test_one_that_is_open_to_others(self) -> None:
        finding = self.runtime(replace(self.INSIDE, mode=0o755))

        assert (finding.level, finding.fix) == (Level.PROBLEM, f"chmod 700 {self.PLACES.runtime}")

    @pytest.mark.parametrize(
        ("folder", "around"),
        [
            (replace(INSIDE, owner=1001), AROUND),
            (Folder(PLACES.runtime), replace(AROUND, owner=1001)),
        ],
    )
    def test_one_that_is_somebody_elses(self, folder: Folder, around: Folder) -> None:
        finding = self.runtime(folder, around)

        assert finding.level is Level.PROBLEM
        assert "belongs to user 1001" in finding.found

    def test_one_below_a_folder_for_all(self) -> None:
        assert self.runtime(around=replace(self.AROUND, owner=0)).level is Level.OK
        tmp = replace(self.AROUND, owner=1001, mode=0o1777)
        assert self.runtime(around=tmp).level is Level.OK

    def test_one_whose_path_is_too_long_for_sockets(self) -> None:
        places = replace(self.PLACES, runtime=Path("/") / ("x" * 95))

        finding = runtime_finding(places, self.INSIDE, self.AROUND, self.ME)

        assert finding.level is Level.PROBLEM
        assert "XDG_RUNTIME_DIR" in finding.fix
