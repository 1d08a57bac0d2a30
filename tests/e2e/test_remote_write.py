"""A real Prometheus sends what it reads of a real fleet on to a store that the fleet file declares,
by remote write. The store is another Prometheus here."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.faults import Model, breakable
from tests.e2e.fleet import eventually
from tests.e2e.test_prometheus import JOBS, Prometheus, exported
from tests.ports import free_port

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="prometheus is not installed (apt-get install prometheus)",
)
WITHIN = 120.0


@pytest.mark.timeout(400)
def test_a_store_gets_every_series_also_of_the_time_before_it_was_there(
    tmp_path: Path, steady_model: Model
) -> None:
    port, here, there = free_port(), tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    stores = {"remote_write": [{"url": f"http://127.0.0.1:{port}/api/v1/write"}]}
    with breakable(tmp_path, steady_model, {}, metrics=stores) as fleet:
        exported(fleet, here)
        with started(Prometheus(here, "--storage.remote.flush-deadline=1s")) as watching:
            eventually(lambda: watching.value("up").keys() == JOBS, WITHIN, "three targets")
            began = time.time()
            (there / "prometheus.yml").write_text("global: {}\n")
            flag = "--web.enable-remote-write-receiver"
            with started(Prometheus(there, flag, port=port)) as store:
                eventually(lambda: store.value("up").keys() == JOBS, WITHIN, "the store has them")
                eventually(lambda: names(store) == names(watching), WITHIN, "it has every series")
                (memory,) = store.found('sutazai_agent_memory_bytes{agent="echo-1"}[1h]')

    assert memory["metric"]["fleet"] == "breakable", "a store has many fleets"
    assert memory["values"][0][0] < began, "what was read before is not lost"
    assert all(float(value) > 1_000_000 for _, value in memory["values"])


@contextmanager
def started(prometheus: Prometheus) -> Iterator[Prometheus]:
    """It, once it answers, and until it is not needed any more."""
    try:
        eventually(prometheus.is_ready, WITHIN, "a Prometheus that answers")
        yield prometheus
    finally:
        prometheus.stop()


def names(prometheus: Prometheus) -> set[str]:
    """Every series of the fleet by its labels, but for the one that only a store has."""
    return {
        json.dumps({**one["metric"], "fleet": ""}, sort_keys=True)
        for one in prometheus.found('{__name__=~"(sutazai|ai|gen_ai)_.+"}')
    }
