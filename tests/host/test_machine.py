"""What a machine offers is read from its kernel's files, whatever state they are in."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sutazai.host.machine import (
    Gpu,
    environment_of,
    limits_kind,
    read_disk,
    read_gpus,
    read_listeners,
    read_machine,
)
from tests.host.trees import BARE, PSI, ROOT_MOUNT, V2_GROUP, V2_MOUNT, grow, v1, v2, wsl2

GIB = 1024**3


def anything(path: Path) -> bool:
    return True


def nothing(path: Path) -> bool:
    return False


class TestMemoryAndCores:
    def test_memory_and_swap_are_those_of_the_kernel(self, tmp_path: Path) -> None:
        memory = read_machine(grow(tmp_path, BARE)).memory

        assert memory.total == memory.usable == 30_800_000 * 1024
        assert memory.available == 12_000_000 * 1024
        assert memory.swap_total == 2_097_148 * 1024
        assert memory.limit is None

    def test_a_limit_of_any_group_above_us_bounds_the_memory(self, tmp_path: Path) -> None:
        limits = {
            f"{V2_GROUP}/memory.max": str(8 * GIB),
            "sys/fs/cgroup/user.slice/memory.max": str(4 * GIB),
        }

        memory = read_machine(grow(tmp_path, {**v2(), **limits})).memory

        assert memory.limit == memory.usable == 4 * GIB

    def test_a_limit_of_version_1_bounds_the_memory(self, tmp_path: Path) -> None:
        limit = {"sys/fs/cgroup/memory/memory.limit_in_bytes": str(2 * GIB)}

        assert read_machine(grow(tmp_path, {**v1(), **limit})).memory.usable == 2 * GIB

    def test_a_number_near_the_end_of_numbers_is_no_limit(self, tmp_path: Path) -> None:
        assert read_machine(grow(tmp_path, v1())).memory.limit is None

    def test_cores_are_those_we_may_use(self, tmp_path: Path) -> None:
        status = BARE["proc/self/status"].replace("0-11", "0-2,8,10-11")

        cores = read_machine(grow(tmp_path, {**BARE, "proc/self/status": status})).cores

        assert (cores.online, cores.allowed, cores.usable) == (12, 6, 6)

    @pytest.mark.parametrize(
        ("tree", "quota"),
        [
            ({**v2(), f"{V2_GROUP}/cpu.max": "150000 100000\n"}, 1.5),
            ({**v1(), "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n"}, 0.5),
        ],
    )
    def test_a_quota_bounds_the_cores(
        self, tmp_path: Path, tree: dict[str, str], quota: float
    ) -> None:
        assert read_machine(grow(tmp_path, tree)).cores.usable == quota


class TestCgroups:
    def test_a_delegated_group_of_version_2_holds_limits(self, tmp_path: Path) -> None:
        machine = read_machine(grow(tmp_path, v2()), writable=anything)

        assert machine.cgroups.version == "v2"
        assert machine.cgroups.folder == f"/{V2_GROUP}"
        assert machine.cgroups.writable == ("cpu", "io", "memory", "pids")
        assert limits_kind(machine) == "cgroup-v2"

    def test_a_group_that_is_not_ours_holds_none(self, tmp_path: Path) -> None:
        machine = read_machine(grow(tmp_path, v2()), writable=nothing)

        assert machine.cgroups.controllers == ("cpu", "io", "memory", "pids")
        assert machine.cgroups.writable == ()
        assert limits_kind(machine) == "accounting"

    def test_one_file_that_is_not_ours_is_enough(self, tmp_path: Path) -> None:
        machine = read_machine(
            grow(tmp_path, v2()), writable=lambda path: path.name != "cgroup.subtree_control"
        )

        assert machine.cgroups.writable == ()

    def test_a_group_without_the_memory_controller_holds_no_limits(self, tmp_path: Path) -> None:
        machine = read_machine(grow(tmp_path, v2(own="cpu pids")), writable=anything)

        assert machine.cgroups.writable == ("cpu", "pids")
        assert limits_kind(machine) == "accounting"

    def test_a_container_that_sees_only_its_own_group(self, tmp_path: Path) -> None:
        inside = {
            "proc/self/mountinfo": ROOT_MOUNT + V2_MOUNT.replace(" / /sys", " /docker/1 /sys"),
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cgroup.procs": "",
            "sys/fs/cgroup/cgroup.subtree_control": "",
            "sys/fs/cgroup/memory.max": str(GIB),
        }

        machine = read_machine(grow(tmp_path, {**v2(), **inside}), writable=anything)

        assert machine.cgroups.folder == "/sys/fs/cgroup"
        assert machine.memory.limit == GIB
        assert limits_kind(machine) == "cgroup-v2"

    def test_version_1_is_taken_where_it_limits_memory(self, tmp_path: Path) -> None:
        machine = read_machine(grow(tmp_path, v1()), writable=anything)

        assert machine.cgroups.version == "v1"
        assert machine.cgroups.controllers == ("cpu", "cpuacct", "memory")
        assert machine.cgroups.folder == "/sys/fs/cgroup/memory/ours"
        assert limits_kind(machine) == "cgroup-v1"

    def test_version_1_is_ours_controller_by_controller(self, tmp_path: Path) -> None:
        machine = read_machine(
            grow(tmp_path, v1()), writable=lambda path: path.name == "cpu,cpuacct"
        )

        assert machine.cgroups.writable == ("cpu", "cpuacct")
        assert limits_kind(machine) == "accounting"

    def test_a_machine_without_any(self, tmp_path: Path) -> None:
        machine = read_machine(grow(tmp_path, BARE), writable=anything)

        assert machine.cgroups.version == "none"
        assert limits_kind(machine) == "accounting"


class TestSystem:
    def test_a_plain_machine(self, tmp_path: Path) -> None:
        system = read_machine(grow(tmp_path, BARE)).system

        assert system.kernel == "6.8.0-45-generic"
        assert (system.wsl, system.container, system.root) == (0, None, False)

    def test_wsl_2(self, tmp_path: Path) -> None:
        assert read_machine(grow(tmp_path, wsl2())).system.wsl == 2

    def test_wsl_1(self, tmp_path: Path) -> None:
        kernel = {"proc/sys/kernel/osrelease": "4.4.0-19041-Microsoft\n"}

        assert read_machine(grow(tmp_path, {**BARE, **kernel})).system.wsl == 1

    @pytest.mark.parametrize(
        ("mark", "kind"),
        [
            ({".dockerenv": ""}, "docker"),
            ({"run/.containerenv": "", ".dockerenv": ""}, "podman"),
            ({"run/systemd/container": "lxc\n"}, "lxc"),
        ],
    )
    def test_a_container_is_known_by_its_mark(
        self, tmp_path: Path, mark: dict[str, str], kind: str
    ) -> None:
        assert read_machine(grow(tmp_path, {**BARE, **mark})).system.container == kind

    def test_root_is_the_effective_user(self, tmp_path: Path) -> None:
        status = {"proc/self/status": "Uid:\t1000\t0\t0\t0\n"}

        assert read_machine(grow(tmp_path, {**BARE, **status})).system.root


class TestPressureAndLimits:
    def test_pressure_is_what_something_waited_for(self, tmp_path: Path) -> None:
        pressure = read_machine(grow(tmp_path, {**BARE, **PSI})).pressure

        assert (pressure.cpu, pressure.memory, pressure.io) == (1.53, 0.0, 12.0)

    def test_a_kernel_without_pressure_tells_none(self, tmp_path: Path) -> None:
        pressure = read_machine(grow(tmp_path, BARE)).pressure

        assert (pressure.cpu, pressure.memory, pressure.io) == (None, None, None)

    def test_open_files_are_bounded_twice(self, tmp_path: Path) -> None:
        limits = read_machine(grow(tmp_path, BARE)).open_files

        assert (limits.soft, limits.hard) == (1024, 1048576)

    def test_unlimited_is_no_number(self, tmp_path: Path) -> None:
        line = {"proc/self/limits": "Max open files  unlimited  unlimited  files\n"}

        limits = read_machine(grow(tmp_path, {**BARE, **line})).open_files

        assert (limits.soft, limits.hard) == (None, None)


class TestBrokenFiles:
    def test_a_machine_that_shows_nothing_is_no_error(self, tmp_path: Path) -> None:
        machine = read_machine(tmp_path)

        assert machine.memory.total == machine.cores.online == 0
        assert limits_kind(machine) == "accounting"

    @pytest.mark.parametrize("name", sorted({**v2(), **v1(), **wsl2()}))
    @pytest.mark.parametrize("content", ["", "\0\0\0\n", "some avg10=x\n:::\n", "- - - - -\n"])
    def test_any_file_may_hold_nonsense(self, tmp_path: Path, name: str, content: str) -> None:
        read_machine(grow(tmp_path, {**v1(), **v2(), name: content}))

    @settings(
        max_examples=50,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(mounts=st.text(max_size=200), groups=st.text(max_size=100))
    def test_mounts_and_groups_may_hold_anything(
        self, tmp_path: Path, mounts: str, groups: str
    ) -> None:
        tree = {
            "proc/self/mountinfo": V2_MOUNT + mounts,
            "proc/self/cgroup": f"0::/{groups}",
        }

        read_machine(grow(tmp_path, tree))


class TestDisk:
    def test_a_path_that_is_not_there_yet_is_on_the_disk_that_will_hold_it(
        self, tmp_path: Path
    ) -> None:
        disk = read_disk(tmp_path / "not" / "yet")

        assert disk.path == str(tmp_path.resolve())
        assert 0 < disk.free < disk.total
        assert disk.filesystem
        assert not disk.windows

    def test_the_innermost_mount_holds_it(self, tmp_path: Path) -> None:
        mounts = ROOT_MOUNT + f"40 22 0:40 / {tmp_path} rw - nfs4 server:/export rw\n"
        root = grow(tmp_path / "root", {**BARE, "proc/self/mountinfo": mounts})

        assert read_disk(tmp_path, root).filesystem == "nfs4"
        assert read_disk(Path("/"), root).filesystem == "ext4"

    def test_a_windows_drive_is_told_under_wsl(self, tmp_path: Path) -> None:
        drive = tmp_path.resolve() / "my drive"
        drive.mkdir()
        escaped = str(drive).replace(" ", r"\040")
        mounts = ROOT_MOUNT + rf"88 22 0:60 / {escaped} rw - 9p C:\134 rw,aname=drvfs" + "\n"
        root = grow(tmp_path / "root", {**wsl2(), "proc/self/mountinfo": mounts})

        assert read_disk(drive / "state", root).windows
        assert not read_disk(Path("/"), root).windows

    def test_the_same_file_system_elsewhere_is_no_windows_drive(self, tmp_path: Path) -> None:
        mounts = f"88 22 0:60 / {tmp_path.resolve()} rw - 9p share rw\n"
        root = grow(tmp_path / "root", {**BARE, "proc/self/mountinfo": mounts})

        assert not read_disk(tmp_path, root).windows


class TestGpus:
    @pytest.fixture
    def tools(self, tmp_path: Path) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        return folder

    @staticmethod
    def _tool(folder: Path, name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    async def test_nvidia_tells_name_and_memory(self, tools: Path, tmp_path: Path) -> None:
        self._tool(tools, "nvidia-smi", "echo 'NVIDIA GeForce RTX 3050, 4096, 3890'")

        gpus = await read_gpus(tmp_path, path=str(tools))

        assert gpus == (Gpu("nvidia", "NVIDIA GeForce RTX 3050", 4096 * 1024**2, 3890 * 1024**2),)

    async def test_amd_tells_name_and_memory(self, tools: Path, tmp_path: Path) -> None:
        card = '{"Card Series": "RX 7900", "VRAM Total Memory (B)": "100", '
        card += '"VRAM Total Used Memory (B)": "40"}'
        self._tool(tools, "rocm-smi", f"""echo '{{"card0": {card}, "system": {{}}}}'""")

        assert await read_gpus(tmp_path, path=str(tools)) == (Gpu("amd", "RX 7900", 100, 60),)

    @pytest.mark.parametrize("script", ["exit 9", "echo; echo nonsense", "echo '[]'", "echo 1,2"])
    async def test_tools_that_fail_or_babble_tell_nothing(
        self, tools: Path, tmp_path: Path, script: str
    ) -> None:
        self._tool(tools, "nvidia-smi", script)
        self._tool(tools, "rocm-smi", script)

        assert await read_gpus(tmp_path, path=str(tools)) == ()

    async def test_a_tool_that_hangs_is_ended(self, tools: Path, tmp_path: Path) -> None:
        self._tool(tools, "nvidia-smi", f"echo $$ > {tmp_path}/pid; exec sleep 60")

        async with asyncio.timeout(60):
            assert await read_gpus(tmp_path, path=str(tools)) == ()

        pid = int((tmp_path / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    async def test_without_tools_the_kernels_cards_are_listed(self, tmp_path: Path) -> None:
        drm = "sys/class/drm"
        cards = {
            f"{drm}/card0/device/vendor": "0x8086\n",
            f"{drm}/card0-HDMI-A-1/device/vendor": "0x8086\n",
            f"{drm}/card1/device/vendor": "0x1234\n",
        }

        gpus = await read_gpus(grow(tmp_path, cards), path="")

        assert gpus == (Gpu("intel", "intel graphics (card0)"),)


class TestProcesses:
    def test_a_listening_socket_has_an_owner(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            (found,) = [listener for listener in read_listeners() if listener.port == port]

        assert (found.host, found.pid) == ("127.0.0.1", os.getpid())
        assert found.command

    @pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
    def test_a_socket_of_ipv6_is_found_too(self) -> None:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            port = server.getsockname()[1]
            hosts = [listener.host for listener in read_listeners() if listener.port == port]

        assert hosts == ["::1"]

    def test_a_machine_that_does_not_tell_has_no_listeners(self, tmp_path: Path) -> None:
        assert read_listeners(tmp_path) == ()

    def test_lines_that_are_no_sockets_are_passed_over(self, tmp_path: Path) -> None:
        listening = "0: 0100007F:2774 00000000:0000 0A 0:0 0:0 0 1000 0 777"
        table = f"head\n{listening}\nnonsense\n1: zz:zz 0:0 0A 0 0 0 0 0 1\n"

        (found,) = read_listeners(grow(tmp_path, {"proc/net/tcp": table}))

        assert (found.host, found.port, found.pid) == ("127.0.0.1", 10100, None)

    async def test_an_environment_is_that_of_the_start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE, env={"A": "1=2"}
        )
        try:
            assert environment_of(process.pid) == {"A": "1=2"}
        finally:
            process.kill()
            await process.wait()

    def test_a_process_that_is_gone_has_none(self, tmp_path: Path) -> None:
        assert environment_of(1, tmp_path) is None
