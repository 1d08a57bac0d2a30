"""One fleet with an agent of every runtime."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.fleet import Fleet, running
from tests.host.runtimes.subjects import FILES, LIMIT, SUBJECTS


@pytest.fixture(scope="package")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("runtimes")
    for file, text in FILES.items():
        (folder / file).write_text(text)
    subjects = {name: one for name, one in SUBJECTS.items() if not one.missing}
    environment: dict[str, str] = {}
    with ExitStack() as beside:
        for subject in subjects.values():
            if subject.beside is not None:
                environment |= beside.enter_context(subject.beside(folder))
        common = {
            "temperature": "hot",
            "memory": f"{LIMIT // 1024**2}MiB",
            "health": {"path": "/health", "interval": "500ms"},
        }
        agents = {name: {**common, **one.declare(folder)} for name, one in subjects.items()}
        declared = {"name": "runtimes", "backends": {"none": {"url": "http://127.0.0.1:9"}}}
        (folder / "fleet.yaml").write_text(json.dumps({**declared, "agents": agents}))
        with running(folder / "fleet.yaml", **environment) as fleet:
            yield fleet


OWNED = [name for name, subject in SUBJECTS.items() if subject.owned]


def here(names: Iterable[str], *, soak: Container[str] = ()) -> list[Any]:
    """The rows of that name: those skipped that this machine cannot run, some for long runs."""
    return [
        pytest.param(
            name,
            marks=[
                pytest.mark.skipif(bool(why := SUBJECTS[name].missing), reason=why),
                *([pytest.mark.soak] if name in soak else []),
            ],
        )
        for name in names
    ]


@pytest.fixture(params=here(SUBJECTS))
def name(request: pytest.FixtureRequest) -> str:
    """The agent of each runtime in turn."""
    return str(request.param)


@pytest.fixture(params=here(OWNED))
def owned(request: pytest.FixtureRequest) -> str:
    """The same, without those that somebody else runs."""
    return str(request.param)
