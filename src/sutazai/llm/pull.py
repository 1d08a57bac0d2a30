"""Fetches a model's file from Hugging Face, once for all fleets of this user.

The file grows as ``FILE.part`` beside its place, is checked, and then takes its place in one step,
so that a file without ``.part`` is whole whatever happened. What was cut off is resumed.

``HF_ENDPOINT`` names another server that speaks the same (a mirror), ``HF_TOKEN`` opens files that
their owner gives only to those who asked. All here blocks: call it from a thread of its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from urllib.parse import quote, urlsplit

from sutazai.fleet.errors import (
    BadInput,
    Conflict,
    ConnectFailed,
    Failed,
    NotFound,
    Refused,
    SutazaiError,
    Unavailable,
)
from sutazai.fleet.units import format_size
from sutazai.llm.gguf import BadGguf, read_head
from sutazai.llm.models import Hosted

ENDPOINT = "https://huggingface.co"
SILENCE = 30.0
"""Seconds without a byte, or without a connection, after which an attempt is over."""
ATTEMPTS = 5
"""Connections made for one file at most; each after the first because the one before was cut off
after it had brought something."""

_PIECE = 1024 * 1024
_SHA256 = re.compile(r'(?:W/)?"?([0-9a-f]{64})"?')
_TOTAL = re.compile(r"bytes (?:[0-9]+-[0-9]+|\*)/([0-9]+)")

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and those there are in all, or None where nobody said.
What it raises ends the pull; the next one resumes."""


def pull(
    hosted: Hosted,
    folder: Path,
    *,
    progress: Progress = lambda done, total: None,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """The place of the file of ``hosted`` below ``folder``, fetched if it is not there yet.

    Raises ConnectFailed (no way to the server), NotFound, Refused, Unavailable (disk or server
    full), Conflict (another process pulls it), Failed (what came is not what was promised).
    """
    place = hosted.place(folder)
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    source = _Source(hosted, place, environ)
    with _held(part) as file:
        promise = _fetched(source, file, progress)
        try:
            _check(file, part, promise, hosted)
        except Failed:
            part.unlink()
            raise
        os.fsync(file.fileno())
        part.rename(place)
    return place


@dataclass
class _Promise:
    """What the server said the file is; filled from the answers on the way to it."""

    size: int | None = None
    sha256: str | None = None

    def read(self, headers: Message) -> None:
        """Facts about the file itself, which Hugging Face gives before it redirects."""
        if digest := _SHA256.fullmatch(headers.get("X-Linked-Etag", "")):
            self.sha256 = digest[1]
        size = headers.get("X-Linked-Size", "")
        if size.isdigit():
            self.size = int(size)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects and reads what each says of the file."""

    def __init__(self, promise: _Promise) -> None:
        self._promise = promise

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        self._promise.read(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass
class _Source:
    """Where the file comes from, and the errors that name it."""

    hosted: Hosted
    place: Path
    environ: Mapping[str, str]
    url: str = field(init=False)

    def __post_init__(self) -> None:
        endpoint = self.environ.get("HF_ENDPOINT", "").rstrip("/") or ENDPOINT
        if urlsplit(endpoint).scheme not in ("http", "https"):
            raise BadInput(
                f"HF_ENDPOINT is no address: {endpoint!r}", hint="write https://HOST, or unset it"
            )
        self.url = f"{endpoint}/{self.hosted.repository}/resolve/main/{quote(self.hosted.file)}"

    def open(self, have: int, promise: _Promise) -> http.client.HTTPResponse:
        """The answer from byte ``have`` on. Raises urllib's and http's errors."""
        request = urllib.request.Request(self.url, headers={"User-Agent": "sutazai"})  # noqa: S310 (scheme checked)
        if have:
            request.add_header("Range", f"bytes={have}-")
        if token := self.environ.get("HF_TOKEN"):
            # Not sent on to where a redirect leads: that is another company's storage.
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        opener = urllib.request.build_opener(_Redirects(promise))
        response: http.client.HTTPResponse = opener.open(request, timeout=SILENCE)
        promise.read(response.headers)
        return response

    def unreachable(self, cause: Exception) -> ConnectFailed:
        reason = getattr(cause, "reason", None) or cause
        return ConnectFailed(
            f"{self.hosted} cannot be fetched from {self.url}: {reason or type(cause).__name__}",
            hint=f"run it again to go on; or download it elsewhere and put it at {self.place}",
            url=self.url,
            path=str(self.place),
        )

    def refusal(self, error: urllib.error.HTTPError) -> SutazaiError:
        """The error for an answer that is none."""
        if error.code == http.HTTPStatus.NOT_FOUND:
            hint = "look at the repository's file list, names are exact"
            return NotFound(f"there is no file {self.url}", hint=hint, url=self.url)
        if error.code in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            return Refused(
                f"{self.url} is not given to everybody",
                hint="a wrong name looks the same; else ask for access on the repository's page, "
                "and set HF_TOKEN",
                url=self.url,
            )
        return Unavailable(
            f"{self.url} answers {error.code} {error.reason}",
            hint=f"try again later, or download the file elsewhere and put it at {self.place}",
            url=self.url,
        )


@contextmanager
def _held(part: Path) -> Iterator[BinaryIO]:
    """The unfinished file, which nobody else writes to meanwhile. Raises Conflict."""
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _pulled_by_another(part) from error
        # Between opening and locking, another pull may have ended and given it its final name.
        if not part.exists() or part.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise _pulled_by_another(part)
        yield file


def _pulled_by_another(part: Path) -> Conflict:
    return Conflict(
        "another process pulls the same file", hint="wait for it, then try again", path=str(part)
    )


def _fetched(source: _Source, file: BinaryIO, progress: Progress) -> _Promise:
    """Bring ``file`` to its full length, over several connections if need be."""
    attempt = 0
    while True:
        attempt += 1
        promise, before = _Promise(), _length(file)
        try:
            _fetch(source, file, promise, progress)
            return promise
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise source.refusal(error) from error
            promise.size = _total(error.headers) or promise.size
            return promise  # all of it is here already, or too much, which the check tells
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS or _length(file) <= before:
                raise source.unreachable(error) from error


def _fetch(source: _Source, file: BinaryIO, promise: _Promise, progress: Progress) -> None:
    """Append what is missing. Raises urllib's and http's errors, also when it is cut off."""
    have = _length(file)
    with source.open(have, promise) as response:
        if have and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            file.truncate(0)  # the server cannot resume, and sends all of it
            have = 0
        promise.size = promise.size or _announced(response, have)
        _check_space(source.place.parent, (promise.size or 0) - have)
        progress(have, promise.size)
        while piece := response.read(_PIECE):
            _append(file, piece)
            have += len(piece)
            progress(have, promise.size)
    if promise.size is not None and have < promise.size:
        raise http.client.IncompleteRead(b"", promise.size - have)


def _announced(response: http.client.HTTPResponse, have: int) -> int | None:
    """The whole file's size as this answer tells it."""
    if total := _total(response.headers):
        return total
    return have + response.length if response.length is not None else None


def _total(headers: Message) -> int | None:
    match = _TOTAL.fullmatch(headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _append(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        _no_room(Path(file.name).parent, error)


def _check_space(folder: Path, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if missing > free:
        _no_room(folder, None, f": {format_size(missing)} to come, {format_size(free)} free")


def _no_room(folder: Path, cause: OSError | None, detail: str = "") -> NoReturn:
    raise Unavailable(
        f"{folder} has no room for the file{detail or f': {cause}'}",
        hint="make room, or set SUTAZAI_MODELS to a folder on another disk",
        path=str(folder),
    ) from cause


def _check(file: BinaryIO, part: Path, promise: _Promise, hosted: Hosted) -> None:
    """Raises Failed where the file is not what was promised, or is no model."""
    have = _length(file)
    if promise.size is not None and have != promise.size:
        raise _wrong(hosted, f"it has {have} bytes instead of {promise.size}")
    if promise.sha256 is not None and (found := _digest(part)) != promise.sha256:
        raise _wrong(hosted, f"its checksum is {found} instead of {promise.sha256}")
    try:
        head = read_head(part)
    except BadGguf as error:
        raise _wrong(hosted, str(error)) from error
    if head.size < head.needed:
        raise _wrong(hosted, f"{head.needed - head.size} bytes are missing at its end")


def _wrong(hosted: Hosted, why: str) -> Failed:
    return Failed(
        f"what came for {hosted} cannot be used: {why}",
        hint="it was deleted; pull it again, and if that fails too, choose another file",
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _length(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
