"""What the gateway tells of its backends for whoever compares it with what is declared."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute
from tests.gateway.fake_backend import FakeBackend
from tests.gateway.fake_ollama import MODEL, installed
from tests.gateway.house import House, route


@contextmanager
def ollama(folder: Path, **told: str) -> Iterator[str]:
    """The URL of a server that was started with these variables."""
    environment = {**os.environ, "OLLAMA_HOST": "127.0.0.1:0", **told}
    with subprocess.Popen(
        [installed(folder), "serve"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{process.stdout.readline().split()[-1]}"
        finally:
            process.kill()


async def held(house: House) -> Any:
    return await house.api("GET", "/backends/held")


async def test_an_ollama_is_asked_anew_for_the_digests_of_its_models(
    house: House, tmp_path: Path
) -> None:
    digest = tmp_path / "digest"
    digest.write_text("sha256:first")
    with ollama(tmp_path, FAKE_DIGEST=str(digest)) as url:
        await house.start(BackendRoute(name="own", address=url, dialect=Dialect.OLLAMA))
        assert (await held(house))[0]["digests"] == {MODEL: "sha256:first"}
        digest.write_text("sha256:second")
        assert (await held(house))[0]["digests"] == {MODEL: "sha256:second"}


async def test_what_it_was_started_with_is_compared(house: House, tmp_path: Path) -> None:
    with ollama(tmp_path, OLLAMA_NUM_PARALLEL="2") as url:
        await house.start(BackendRoute(name="own", address=url, dialect=Dialect.OLLAMA, slots=4))
        (own,) = await held(house)
    assert own["settings"] == [{"name": "OLLAMA_NUM_PARALLEL", "wanted": "4", "actual": "2"}]


async def test_a_server_that_tells_no_digests_has_none(house: House) -> None:
    async with FakeBackend() as fake:
        await house.start(route(fake))
        (one,) = await held(house)
    assert one == {"name": "one", "available": True, "digests": {}, "settings": []}
