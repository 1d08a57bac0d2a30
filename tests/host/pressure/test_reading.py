"""How much memory is in use, read from trees of files, from this machine, and from a real group."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.host.machine.cgroups import may_write, read_groups
from sutazai.host.machine.reading import ROOT
from sutazai.host.pressure.levels import Reading
from sutazai.host.pressure.reading import MemoryReader, own_memory
from tests.host.trees import BARE, PSI, V2_GROUP, grow, v1, v2

KIB, MIB = 1024, 1024**2
V1_GROUP = "sys/fs/cgroup/memory/ours"


def test_of_a_machine_what_is_not_available_is_in_use(tmp_path: Path) -> None:
    seen = MemoryReader(grow(tmp_path, {**BARE, **PSI})).read()
    assert seen == Reading(30_800_000 * KIB, 18_800_000 * KIB, 0.0)


def test_without_psi_the_percentages_must_do(tmp_path: Path) -> None:
    assert MemoryReader(grow(tmp_path, BARE)).read().stalled is None


def test_a_kernel_that_tells_nothing_has_plenty(tmp_path: Path) -> None:
    assert MemoryReader(tmp_path).read().percent == 0
    meminfo = {"proc/meminfo": "MemTotal: 1000 kB\n"}
    assert MemoryReader(grow(tmp_path, meminfo)).read() == Reading(1000 * KIB, 0)


def test_a_bounded_group_counts_where_it_is_shorter_and_files_can_be_dropped(
    tmp_path: Path,
) -> None:
    root = grow(
        tmp_path,
        {
            **v2(),
            f"{V2_GROUP}/memory.max": f"{100 * MIB}\n",
            f"{V2_GROUP}/memory.current": f"{95 * MIB}\n",
            f"{V2_GROUP}/memory.stat": f"anon 1\ninactive_file {5 * MIB}\n",
            f"{V2_GROUP}/memory.pressure": "some avg10=17.50 avg60=0 avg300=0 total=1\n",
        },
    )
    reader = MemoryReader(root)
    assert reader.read() == Reading(100 * MIB, 90 * MIB, 17.5)
    (root / V2_GROUP / "memory.current").write_text(f"{30 * MIB}\n")
    assert reader.read().total == 30_800_000 * KIB, "now the machine is shorter"


def test_groups_of_version_1_count_too(tmp_path: Path) -> None:
    root = grow(
        tmp_path,
        {
            **v1(),
            f"{V1_GROUP}/memory.limit_in_bytes": f"{100 * MIB}\n",
            f"{V1_GROUP}/memory.usage_in_bytes": f"{99 * MIB}\n",
            f"{V1_GROUP}/memory.stat": f"inactive_file 7\ntotal_inactive_file {9 * MIB}\n",
        },
    )
    assert MemoryReader(root).read() == Reading(100 * MIB, 90 * MIB)


def test_this_machine_and_this_process_use_some() -> None:
    seen = MemoryReader().read()
    assert 0 < seen.used < seen.total
    assert own_memory() > MIB


IN_A_GROUP = """
import sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text("0")
from sutazai.host.pressure.reading import MemoryReader
reader = MemoryReader()
held = b"x" * (100 * 1024 * 1024)
read = reader.read()
print(read.total, read.used)
"""


@pytest.fixture
def bounded_group() -> Iterator[Path]:
    """A group of our own that may hold 128 MiB."""
    groups = read_groups(ROOT)
    parents = [group.folder for group in groups.separate if "memory" in group.controllers]
    if not parents or not may_write(parents[0]):
        pytest.skip("no memory controller of cgroup v1 that we may use")
    folder = parents[0] / f"sutazai-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error}")
    try:
        (folder / "memory.limit_in_bytes").write_text(str(128 * MIB))
        yield folder
    finally:
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()


def test_in_a_real_bounded_group_its_own_limit_is_what_counts(bounded_group: Path) -> None:
    command = [sys.executable, "-c", IN_A_GROUP, str(bounded_group)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    total, used = map(int, said.split())
    assert total == 128 * MIB
    assert 100 * MIB < used < 128 * MIB
