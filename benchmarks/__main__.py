"""``make bench``: runs every benchmark, one after the other, and keeps their figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "wire",
    "gateway",
    "saturation",
    "goodput",
    "density",
    "crashloop",
    "recovery",
    "restore",
    "messages",
    "observe",
    "rollout",
)


def main() -> None:
    results = Path("benchmarks/results")
    results.mkdir(exist_ok=True)
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        out = results / f"{name}.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(out)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
