"""One fleet with an agent of every runtime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.fleet import Fleet
from tests.host.runtimes.subjects import FILES, LIMIT, SUBJECTS


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("runtimes")
    for file, text in FILES.items():
        (folder / file).write_text(text)
    with ExitStack() as beside:
        for subject in SUBJECTS.values():
            if subject.beside is not None:
                beside.enter_context(subject.beside(folder))
        common = {
            "temperature": "hot",
            "memory": f"{LIMIT // 1024**2}MiB",
            "health": {"path": "/health", "interval": "500ms"},
        }
        agents = {name: {**common, **one.declare(folder)} for name, one in SUBJECTS.items()}
        declared = {"name": "runtimes", "backends": {"none": {"url": "http://127.0.0.1:9"}}}
        (folder / "fleet.yaml").write_text(json.dumps({**declared, "agents": agents}))
        fleet = Fleet(folder / "fleet.yaml")
        try:
            done = fleet.up()
            assert done.returncode == 0, done.stdout + done.stderr
            yield fleet
        finally:
            fleet.stop()


@pytest.fixture(params=SUBJECTS)
def name(request: pytest.FixtureRequest) -> str:
    """The agent of each runtime in turn."""
    return str(request.param)


@pytest.fixture(params=[name for name, subject in SUBJECTS.items() if subject.owned])
def owned(request: pytest.FixtureRequest) -> str:
    """The same, without those that somebody else runs."""
    return str(request.param)
