"""What a host that ended many instances still has of them."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.dense.house import MIB, Bench
from sutazai.host.limits.place import read_place


@dataclass(frozen=True)
class Leavings:
    """Records, control groups and sockets, more than instances run; bytes on disk."""

    records: int
    groups: int
    sockets: int
    disk: int

    @classmethod
    def of(cls, bench: Bench, running: int) -> Leavings:
        places, place = bench.places, read_place(bench.places.groups)
        memory = place.parents["memory"] if place else None
        groups = [one for one in memory.iterdir() if one.is_dir()] if memory else []
        journal = places.exits.parent.glob("exits*.jsonl")
        kept = [*places.logs.iterdir(), *places.state.glob("*.jsonl"), *journal]
        return cls(
            records=len(list(places.instances.glob("*.json"))) - running,
            groups=max(0, len(groups) - running),
            sockets=max(0, len(list(places.sockets.iterdir())) - running),
            disk=sum(path.stat().st_size for path in kept),
        )

    def figures(self) -> dict[str, float]:
        return {
            "left_records": self.records,
            "left_groups": self.groups,
            "left_sockets": self.sockets,
            "disk_mib": round(self.disk / MIB, 1),
        }
