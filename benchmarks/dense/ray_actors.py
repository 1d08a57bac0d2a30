"""Starts so many Ray actors as the first argument says and tells what one costs, as JSON.

Run with the Python of the peers' environment. An actor here imports nothing and has done one call:
it is the least that one can cost.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray  # type: ignore[import-not-found]


def main() -> None:
    count = int(sys.argv[1])
    ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False, logging_level="error")
    began = time.monotonic()
    actors: list[Any] = [ray.remote(Agent).remote() for _ in range(count)]
    pids = ray.get([actor.pid.remote() for actor in actors])
    seconds = time.monotonic() - began
    time.sleep(3)
    each = sum(map(pss_of, pids)) / count / 1024
    print(json.dumps({"start_seconds_per_actor": round(seconds / count, 2),
                      "pss_mib_per_actor": round(each, 2)}))  # fmt: skip
    ray.shutdown()


class Agent:
    def pid(self) -> int:
        return os.getpid()


def pss_of(pid: int) -> int:
    """KiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
