"""A real Prometheus finds a real fleet by what `sutazai export` wrote, and reads all of it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.fleet import Fleet, eventually

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus is not installed (apt-get install prometheus)",
)
JOBS = {"sutazai-control", "sutazai-host", "sutazai-gateway"}


class Prometheus:
    """One that scrapes every second, with its data below ``folder``."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{address}"
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def targets(self) -> dict[str, Any]:
        """What it knows of each target, by job."""
        try:
            answer = httpx.get(f"{self.url}/api/v1/targets", timeout=10).json()
        except httpx.TransportError:
            return {}
        active = answer.get("data", {}).get("activeTargets", [])
        return {target["labels"]["job"]: target for target in active}

    def value(self, query: str) -> dict[str, float]:
        """The values of a query by the label `job`, or by nothing."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10).json()
        results = answer["data"]["result"]
        return {one["metric"].get("job", ""): float(one["value"][1]) for one in results}


@pytest.fixture(scope="module")
def prometheus(
    small_fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    small_fleet.must("export", "prometheus", "--out", str(folder))
    file = folder / "prometheus.yml"
    checked = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    file.write_text(file.read_text().replace("30s", "1s").replace("60s", "1s"))
    started = Prometheus(folder)
    yield started
    started.stop()


def test_all_targets_are_found_and_up(small_fleet: Fleet, prometheus: Prometheus) -> None:
    small_fleet.must("ask", "planner", "Say hi.")

    found = eventually(
        lambda: (
            (seen := prometheus.targets()).keys() == JOBS
            and all(target["health"] == "up" for target in seen.values())
            and seen
        ),
        what="three targets that are up",
        within=60,
    )
    assert {target["labels"]["instance"] for target in found.values()} == {
        small_fleet.control.removeprefix("http://")
    }
    eventually(lambda: prometheus.value("sum(sutazai_gateway_agent_requests_total)"), within=60)

    assert prometheus.value("up") == dict.fromkeys(JOBS, 1.0)
    assert prometheus.value("sum(sutazai_agents)")[""] == 6
    assert prometheus.value('sutazai_agent_up{agent="echo"}')["sutazai-host"] == 1
    assert prometheus.value('sutazai_agent_memory_bytes{agent="echo"}')["sutazai-host"] > 1_000_000
    assert sum(prometheus.value("sum by (job) (scrape_samples_scraped)").values()) < 1_000
    assert prometheus.value('sum(ai_tokens_processed_total{agent="planner"})')[""] > 0


@pytest.mark.parametrize("path", ["/metrics", "/metrics/host", "/metrics/gateway"])
def test_promtool_finds_nothing_to_say(small_fleet: Fleet, path: str) -> None:
    headers = {"authorization": f"Bearer {small_fleet.token}"}
    small_fleet.must("ask", "planner", "Say hi.")
    text = httpx.get(f"{small_fleet.control}{path}", headers=headers, timeout=30).content

    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_without_the_token_nothing_is_told(small_fleet: Fleet) -> None:
    for path in ("/metrics", "/metrics/host", "/api/v1/prometheus/targets", "/api/v1/history"):
        assert httpx.get(f"{small_fleet.control}{path}", timeout=10).status_code == 401


def test_the_history_is_kept_without_a_prometheus(small_fleet: Fleet) -> None:
    headers = {"authorization": f"Bearer {small_fleet.token}"}

    def memory() -> Any:
        answer = httpx.get(
            f"{small_fleet.control}/api/v1/history",
            params={"name": "sutazai_agent_memory_bytes", "labels": 'agent="echo"'},
            headers=headers,
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    (one,) = eventually(memory, within=60, what="a look that was kept")

    assert one["labels"] == {"agent": "echo"}
    assert one["mean"][0] > 1_000_000 and one["low"][0] <= one["mean"][0] <= one["high"][0]
    assert abs(one["times"][-1] - time.time()) < 3_600


def test_a_process_that_is_gone_is_down(small_fleet: Fleet, prometheus: Prometheus) -> None:
    """The gateway is killed; Prometheus sees it within two scrapes, or sees that it is back."""
    before = prometheus.value("sutazai_gateway_uptime_seconds")["sutazai-gateway"]
    gateway = small_fleet.plane("gateway")["instances"][0]["pid"]

    subprocess.run(["kill", "-9", str(gateway)], check=True)

    def is_seen() -> bool:
        uptime = prometheus.value("sutazai_gateway_uptime_seconds").get("sutazai-gateway")
        return uptime is None or uptime < before

    eventually(is_seen, within=60, what="a gateway that is down or new")
    eventually(lambda: prometheus.value("up") == dict.fromkeys(JOBS, 1.0), within=60)
