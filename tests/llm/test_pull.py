"""A model comes whole or not at all, and what was cut off is not fetched twice."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sutazai.fleet.errors import (
    BadInput,
    Conflict,
    ConnectFailed,
    Failed,
    NotFound,
    Refused,
    Unavailable,
)
from sutazai.llm.models import Hosted, find_model
from sutazai.llm.pull import ATTEMPTS, Progress, pull
from tests.llm.ggufs import Tensor, gguf
from tests.llm.hub import Hub, running

HOSTED = Hosted("owner/repo", "tiny.gguf")
CONTENT = gguf(tensors=[Tensor("large", (500_000,), kind=0, size=2_000_000)])


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running(Hub(CONTENT)) as hub:
        yield hub


class Puller:
    """Pulls from one hub into one folder."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.place = HOSTED.place(folder)
        self.part = self.place.with_name("tiny.gguf.part")

    def __call__(self, progress: Progress = lambda done, total: None, **environ: str) -> Path:
        environ = {"HF_ENDPOINT": self.hub.url, **environ}
        return pull(HOSTED, self.folder, progress=progress, environ=environ)

    def left_behind(self, content: bytes) -> None:
        """As after a pull that was killed."""
        self.part.parent.mkdir(parents=True)
        self.part.write_bytes(content)


@pytest.fixture
def puller(hub: Hub, tmp_path: Path) -> Puller:
    return Puller(hub, tmp_path)


def test_a_pulled_file_is_whole_and_can_be_found(puller: Puller) -> None:
    steps: list[tuple[int, int | None]] = []

    place = puller(lambda done, total: steps.append((done, total)))

    assert place == puller.place
    assert place.read_bytes() == CONTENT
    assert not puller.part.exists()
    assert find_model(str(HOSTED), folder=puller.folder).path == place
    assert steps[0] == (0, len(CONTENT))
    assert steps[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_that_is_there_is_not_asked_for_again(puller: Puller) -> None:
    puller()
    asked = len(puller.hub.seen)

    puller()

    assert len(puller.hub.seen) == asked


def test_a_connection_that_breaks_is_taken_up_where_it_broke(puller: Puller) -> None:
    puller.hub.cuts = [1000, 500_000]

    puller()

    assert puller.place.read_bytes() == CONTENT
    assert puller.hub.ranges_asked == [None, "bytes=1000-", "bytes=501000-"]


def test_a_pull_that_was_killed_goes_on_the_next_time(puller: Puller) -> None:
    puller.left_behind(CONTENT[:1234])

    puller()

    assert puller.place.read_bytes() == CONTENT
    assert puller.hub.ranges_asked == ["bytes=1234-"]


def test_a_pull_that_was_killed_after_its_last_byte_is_only_checked(puller: Puller) -> None:
    puller.left_behind(CONTENT)

    puller()

    assert puller.place.read_bytes() == CONTENT


def test_a_server_that_cannot_resume_sends_all_of_it(puller: Puller) -> None:
    puller.hub.ranges = False
    puller.left_behind(b"x" * 1234)

    puller()

    assert puller.place.read_bytes() == CONTENT


def test_a_pull_that_is_given_up_keeps_what_it_has(puller: Puller) -> None:
    class GivenUp(Exception):
        pass

    def give_up(done: int, total: int | None) -> None:
        if done:
            raise GivenUp

    with pytest.raises(GivenUp):
        puller(give_up)

    assert 0 < puller.part.stat().st_size <= len(CONTENT)
    assert not puller.place.exists()


def test_a_server_that_breaks_off_every_time_is_given_up(puller: Puller) -> None:
    puller.hub.cuts = [10] * 100

    with pytest.raises(ConnectFailed, match="cannot be fetched") as caught:
        puller()

    assert "run it again to go on" in str(caught.value.hint)
    assert puller.part.stat().st_size == 10 * ATTEMPTS


def test_a_wrong_checksum_is_refused_and_deleted(puller: Puller) -> None:
    puller.hub.sha256 = "0" * 64

    with pytest.raises(Failed, match="its checksum is"):
        puller()

    assert not puller.place.exists()
    assert not puller.part.exists()


def test_a_resumed_file_of_another_version_is_refused_by_its_checksum(puller: Puller) -> None:
    puller.left_behind(b"another version"[:10])

    with pytest.raises(Failed, match="its checksum is"):
        puller()

    assert not puller.part.exists()


def test_more_than_the_file_has_is_refused_by_its_size(puller: Puller) -> None:
    puller.left_behind(CONTENT + b"more")

    with pytest.raises(Failed, match=f"instead of {len(CONTENT)}"):
        puller()


def test_a_file_that_the_disk_cannot_hold_is_refused_before_it_comes(puller: Puller) -> None:
    puller.hub.size = 10**18

    with pytest.raises(Unavailable, match="has no room for the file") as caught:
        puller()

    assert "SUTAZAI_MODELS" in str(caught.value.hint)
    assert puller.part.stat().st_size == 0


def test_a_page_in_place_of_a_model_is_refused(puller: Puller) -> None:
    puller.hub.content, puller.hub.announced = b"<html>please log in</html>", False

    with pytest.raises(Failed, match="does not begin with the word GGUF"):
        puller()

    assert not puller.part.exists()


def test_a_server_that_announces_nothing_is_trusted_for_its_length(puller: Puller) -> None:
    puller.hub.announced, puller.hub.cuts = False, [1000]

    assert puller().read_bytes() == CONTENT


def test_the_token_goes_to_the_hub_and_not_to_the_storage(puller: Puller) -> None:
    puller(HF_TOKEN="secret")

    assert [authorization for *_, authorization in puller.hub.seen] == ["Bearer secret", None]


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (404, NotFound, "names are exact"),
        (401, Refused, "HF_TOKEN"),
        (403, Refused, "HF_TOKEN"),
        (429, Unavailable, "try again later"),
        (503, Unavailable, "put it at"),
    ],
)
def test_a_refusal_says_what_to_do(
    puller: Puller, status: int, error: type[Exception], words: str
) -> None:
    puller.hub.status = status

    with pytest.raises(error) as caught:
        puller()

    assert words in str(getattr(caught.value, "hint", None))


def test_without_a_network_it_says_what_was_tried_and_where_to_put_the_file(
    puller: Puller,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"

    with pytest.raises(ConnectFailed, match="refused") as caught:
        puller(HF_ENDPOINT=nobody)

    assert f"{nobody}/owner/repo/resolve/main/tiny.gguf" in caught.value.message
    assert f"put it at {puller.place}" in str(caught.value.hint)


def test_two_do_not_pull_the_same_file_at_once(puller: Puller) -> None:
    puller.left_behind(b"")
    with puller.part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(Conflict, match="another process pulls"):
            puller()


def test_an_endpoint_that_is_none_is_refused(puller: Puller) -> None:
    with pytest.raises(BadInput, match="HF_ENDPOINT"):
        puller(HF_ENDPOINT="file:///etc")
