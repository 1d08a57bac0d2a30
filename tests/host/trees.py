"""Trees of files that stand for machines: what a kernel would show under / there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MEMINFO = """\
MemTotal:       30800000 kB
MemFree:         1000000 kB
MemAvailable:   12000000 kB
SwapTotal:       2097148 kB
SwapFree:        2000000 kB
"""
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 1048576              files
"""
BARE: Mapping[str, str] = {
    "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
    "proc/version": "Linux version 6.8.0-45-generic (buildd@lcy02) ...\n",
    "proc/meminfo": MEMINFO,
    "proc/self/status": "Name:\tpython\nUid:\t1000\t1000\t1000\t1000\nCpus_allowed_list:\t0-11\n",
    "proc/self/limits": LIMITS,
    "proc/self/mountinfo": "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n",
    "sys/devices/system/cpu/online": "0-11\n",
}
PSI = {
    "proc/pressure/cpu": "some avg10=1.53 avg60=0.80 avg300=0.20 total=1\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0 avg300=0 total=0\nfull avg10=7.00 avg60=0\n",
    "proc/pressure/io": "some avg10=12.00 avg60=0.80 avg300=0.20 total=1\n",
}

ROOT_MOUNT = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
V2_MOUNT = "30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V2_GROUP = "sys/fs/cgroup/user.slice/user-1000.slice/sutazai.service"


def v2(*, controllers: str = "cpu io memory pids", own: str = "") -> dict[str, str]:
    """A machine with cgroup v2, and our service in a group of its own.

    Args:
        own: the controllers of our group; without it, all.
    """
    return {
        **BARE,
        **PSI,
        "proc/self/mountinfo": ROOT_MOUNT + V2_MOUNT,
        "proc/self/cgroup": "0::/user.slice/user-1000.slice/sutazai.service\n",
        "sys/fs/cgroup/cgroup.controllers": f"{controllers}\n",
        f"{V2_GROUP}/cgroup.controllers": f"{own or controllers}\n",
        f"{V2_GROUP}/cgroup.procs": "1\n",
        f"{V2_GROUP}/cgroup.subtree_control": "\n",
        f"{V2_GROUP}/memory.max": "max\n",
        f"{V2_GROUP}/cpu.max": "max 100000\n",
    }


def v1() -> dict[str, str]:
    """A machine with cgroup v1, with a v2 tree beside it that limits nothing of use."""
    point = "sys/fs/cgroup"
    return {
        **BARE,
        "proc/self/mountinfo": ROOT_MOUNT
        + f"31 22 0:28 / /{point} rw,relatime - tmpfs tmpfs rw,mode=755\n"
        + f"32 31 0:29 / /{point}/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        + f"33 31 0:30 / /{point}/memory rw,relatime - cgroup cgroup rw,memory\n"
        + f"34 31 0:31 / /{point}/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
        + f"35 31 0:32 / /{point}/unified rw,relatime - cgroup2 cgroup2 rw\n",
        "proc/self/cgroup": "4:memory:/ours\n3:cpu,cpuacct:/\n2:name=systemd:/\n0::/\n",
        f"{point}/unified/cgroup.controllers": "hugetlb\n",
        f"{point}/memory/ours/memory.limit_in_bytes": "9223372036854771712\n",
        f"{point}/memory/memory.limit_in_bytes": "9223372036854771712\n",
        f"{point}/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        f"{point}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }


def wsl2() -> dict[str, str]:
    """WSL2 with a Windows drive."""
    release = "5.15.167.4-microsoft-standard-WSL2"
    drive = (
        r"88 22 0:60 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs;path=C:\134;uid=1000"
    )
    return {
        **v2(),
        "proc/sys/kernel/osrelease": f"{release}\n",
        "proc/version": f"Linux version {release} (root@f9c826d3017f) ...\n",
        "proc/self/mountinfo": ROOT_MOUNT + V2_MOUNT + drive + "\n",
    }


def grow(root: Path, files: Mapping[str, str]) -> Path:
    """Write ``files`` below ``root``, which is returned."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root
