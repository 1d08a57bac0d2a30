"""A real Prometheus finds a real fleet by what `sutazai export` wrote, reads all of it, and tells a
real Alertmanager what is wrong there."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from sutazai.observe.alerts.alertmanager import ADDRESS
from tests.e2e.faults import Model, alerts, breakable
from tests.e2e.fleet import Fleet, eventually
from tests.ports import free_port
from tests.webhook import Hook

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus is not installed (apt-get install prometheus)",
)
JOBS = {"sutazai-control", "sutazai-host", "sutazai-gateway"}
WITHIN = 120.0


class Prometheus:
    """One that scrapes every second, with its data below ``folder``."""

    def __init__(self, folder: Path, *flags: str, port: int | None = None) -> None:
        address = f"127.0.0.1:{port or free_port()}"
        self.url = f"http://{address}"
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
                *flags,
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", timeout=60).status_code == 200
        except httpx.TransportError:
            return False

    def targets(self) -> dict[str, Any]:
        """What it knows of each target, by job; nothing until it has started."""
        try:
            answer = httpx.get(f"{self.url}/api/v1/targets", timeout=60)
        except httpx.TransportError:
            return {}
        if answer.status_code == 503:
            return {}
        active = answer.json()["data"]["activeTargets"]
        return {target["labels"]["job"]: target for target in active}

    def firing(self) -> set[str]:
        """The alerts that fire by its rules."""
        answer = httpx.get(f"{self.url}/api/v1/alerts", timeout=60).json()
        return {
            alert["labels"]["alertname"]
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing"
        }

    def value(self, query: str) -> dict[str, float]:
        """The values of a query by the label `job`, or by nothing."""
        return {one["metric"].get("job", ""): float(one["value"][1]) for one in self.found(query)}

    def found(self, query: str) -> list[dict[str, Any]]:
        """What a query finds, series by series."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=60).json()
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


@pytest.fixture(scope="module")
def prometheus(
    small_fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    exported(small_fleet, folder)
    started = Prometheus(folder)
    yield started
    started.stop()


def exported(fleet: Fleet, folder: Path) -> None:
    """What `sutazai export` writes, which its tools accept; made to look every second."""
    fleet.must("export", "prometheus", "--out", str(folder))
    file = folder / "prometheus.yml"
    checked = subprocess.run(["promtool", "check", "config", file], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    file.write_text(file.read_text().replace("30s", "1s").replace("60s", "1s"))


@pytest.fixture(scope="module")
def asked(small_fleet: Fleet) -> None:
    """An agent has asked the model."""
    small_fleet.must("ask", "planner", "Say hi.")


@pytest.mark.usefixtures("asked")
def test_all_targets_are_found_and_up(small_fleet: Fleet, prometheus: Prometheus) -> None:
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


def test_what_an_agent_counts_itself_arrives(small_fleet: Fleet, prometheus: Prometheus) -> None:
    small_fleet.must("ask", "echo", "hello")

    counted = 'agent_echoes_total{agent="echo"}'
    eventually(lambda: prometheus.value(counted).get("sutazai-host", 0) >= 1, WITHIN, counted)


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("path", ["/metrics", "/metrics/host", "/metrics/gateway"])
def test_promtool_finds_nothing_to_say(small_fleet: Fleet, path: str) -> None:
    headers = {"authorization": f"Bearer {small_fleet.token}"}
    text = httpx.get(f"{small_fleet.control}{path}", headers=headers, timeout=60).content

    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_without_the_token_nothing_is_told(small_fleet: Fleet) -> None:
    for path in ("/metrics", "/metrics/host", "/api/v1/prometheus/targets", "/api/v1/history"):
        assert httpx.get(f"{small_fleet.control}{path}", timeout=60).status_code == 401


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


class Alertmanager:
    """One that knows what `sutazai export` wrote, and how a webhook is reached."""

    def __init__(self, folder: Path, hook: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        file = folder / "alertmanager.yml"
        text = file.read_text().replace("group_wait: 15s", "group_wait: 1s")
        text = text.replace("# webhook_configs", "webhook_configs")
        file.write_text(text.replace("http://127.0.0.1:8080/alerts", hook))
        checked = subprocess.run(["amtool", "check-config", file], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        self._log = (folder / "alertmanager.log").open("wb")
        command = [
            "prometheus-alertmanager",
            f"--config.file={file}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def suppressed(self) -> dict[str, bool]:
        """By alert, whether nobody is told of it."""
        found = httpx.get(f"http://{self.address}/api/v2/alerts", timeout=60).json()
        return {one["labels"]["alertname"]: one["status"]["state"] == "suppressed" for one in found}


@pytest.fixture
def hooks() -> Iterator[tuple[Hook, Hook]]:
    """Whom we notify, and whom Alertmanager does."""
    ours, theirs = Hook(), Hook()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def model() -> Iterator[Model]:
    model = Model()
    yield model
    model.kill()


@pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None or shutil.which("amtool") is None,
    reason="Alertmanager is not installed (apt-get install prometheus-alertmanager)",
)
@pytest.mark.skipif(
    find_spec("apprise") is None, reason="Apprise is missing: pip install 'sutazai[alerts]'"
)
@pytest.mark.timeout(300)
@pytest.mark.soak
def test_one_cause_fires_here_and_in_prometheus_and_both_tell_of_it(
    tmp_path: Path, model: Model, hooks: tuple[Hook, Hook]
) -> None:
    ours, theirs = hooks
    (tmp_path / "hook").write_text(ours.url)
    quick = {"llm-down": {"for": "2s"}, "backend-down": {"for": "1s"}}
    notify = {"wait": "0s", "targets": {"team": {"url": "file:hook"}}}
    with breakable(tmp_path, model, quick, notify=notify) as fleet:
        exported(fleet, tmp_path)
        manager = Alertmanager(tmp_path, theirs.address)
        file = tmp_path / "prometheus.yml"
        file.write_text(file.read_text().replace(ADDRESS, manager.address))
        watching = Prometheus(tmp_path)
        try:
            eventually(watching.targets, within=WITHIN, what="a Prometheus that answers")
            available = "sum(sutazai_gateway_backend_available)"
            eventually(lambda: watching.value(available) == {"": 1.0}, WITHIN, "a model is there")
            assert not watching.firing()

            model.kill()

            both = {"llm-down", "backend-down"}
            eventually(lambda: watching.firing() >= both, WITHIN, "both fire in Prometheus")
            eventually(lambda: {one["rule"] for one in alerts(fleet)} >= both, WITHIN, "and here")
            eventually(
                lambda: (
                    manager.suppressed().items()
                    >= {"llm-down": False, "backend-down": True}.items()
                ),
                WITHIN,
                "Alertmanager inhibits what follows",
            )
            cause = {"alertname": "llm-down", "severity": "critical", "fleet": "breakable"}
            eventually(lambda: cause in told(theirs), WITHIN, "its webhook hears of the cause")
            eventually(lambda: ours.taken, WITHIN, "and so does ours")
        finally:
            watching.stop()
            manager.stop()
    assert ours.titles[0] == "critical: llm-down"


def told(hook: Hook) -> list[dict[str, str]]:
    """The labels of what Alertmanager told."""
    return [one["labels"] for each in hook.taken for one in each["alerts"]]
