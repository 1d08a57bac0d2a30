"""The edge to llama.cpp: claims the socket, loads the model, serves until SIGTERM.

llama.cpp speaks HTTP itself, from threads of its own: ``/health`` (503 while it loads),
``/v1/models``, ``/v1/chat/completions``, ``/v1/completions``, ``/v1/embeddings``, ``/tokenize``,
``/props``, ``/slots``. What it does where it matters to the gateway, as measured:

- A prompt longer than a slot's context is refused with 400 and ``exceed_context_size_error``;
  nothing is cut in silence. An answer that reaches the end of the context ends with ``length``.
- An answer without ``max_tokens`` ends at the context's end at the latest.
- A client that goes away from a stream is noticed when the next token is sent to it: at once, or
  after its prompt. Without a stream it is looked for once a second, and only in a second in which
  nobody got a result; beside a busy neighbour, such an answer is computed to its end. So the
  gateway should always ask for a stream.
- A JSON schema holds unless the answer ends with ``length``; a schema that cannot be one gives 400.
- The name of the model in a request is not looked at.
- A text to embed that is longer than one batch gives 500, not 400.
- A connection is closed after 5 idle seconds or 100 requests.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from sutazai.fleet.errors import BadInput, Failed, PortTaken, Refused, Unavailable
from sutazai.llm.memory import BATCH, usable_context
from sutazai.llm.models import Model
from sutazai.wire.limits import SOCKET_PATH_MAX

MIB = 1024**2

_QUIET = 1  # llama.cpp's verbosity: errors only
_PRIVATE_UMASK = 0o177

# Threads of the library wait for each other by spinning. With the default (300,000 rounds) a core
# that somebody else uses for a while costs all of them that while: measured on two cores, with two
# busy processes beside it, 4-11 tokens a second; with 2,000 rounds 18-28, and the same 80 alone.
_SPIN = ("GOMP_SPINCOUNT", "2000")


@dataclass(frozen=True)
class Settings:
    """How the server is to run.

    Args:
        socket: where it listens; the folder is made if it is missing.
        threads: that compute.
        slots: generations at once.
        context: tokens of each slot; no more are used than the model was trained with.
        prompt_cache: bytes of host memory for prompts seen before; below 1 MiB there is none.
    """

    socket: Path
    model: Model
    threads: int
    slots: int
    context: int
    prompt_cache: int

    @property
    def slot_context(self) -> int:
        """Tokens of each slot as they will be."""
        return usable_context(self.model.head, self.context)


def serve(settings: Settings) -> NoReturn:
    """Serve until SIGTERM or SIGINT, then end the process.

    Raises Unavailable (the library is missing), Refused and PortTaken (the socket's place), Failed
    (llama.cpp does not take the model; its own words stand on standard error).
    """
    library = _library()
    claim_socket(settings.socket)
    # The library holds the interpreter while it loads, and no handler written in Python would run.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(_PRIVATE_UMASK)  # the library makes the socket, and it must be private from its birth
    started = time.monotonic()
    _server = _started(library, settings)  # held here, for it ends with its last reference
    _say(f"{_description(settings)}, loaded in {time.monotonic() - started:.1f} s")
    _end_at_signals(settings.socket)
    _wait_for_signals()


def _library() -> Any:
    """The module ``xllamacpp``, imported only in the process that serves. Raises Unavailable."""
    os.environ.setdefault(*_SPIN)  # read when the library is loaded
    try:
        import xllamacpp
    except ImportError as error:
        raise Unavailable(
            f"the embedded LLM server is not installed: {error}",
            hint="pip install 'sutazai[llm]'",
        ) from error
    return xllamacpp


def claim_socket(path: Path) -> None:
    """Make the place for the socket: a folder that nobody else can write to, no stale socket.

    Raises BadInput (the path is too long), Refused, and PortTaken where a server answers.
    """
    if len(os.fsencode(path)) > SOCKET_PATH_MAX:
        raise BadInput(
            f"the socket's path is longer than {SOCKET_PATH_MAX} bytes: {path}",
            hint="choose a shorter one: --socket PATH",
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.stat()
    if folder.st_uid != os.geteuid() or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(
            f"others can write to {path.parent}, where the socket is to be",
            hint="choose a folder that only you can write to: --socket PATH",
        )
    _remove_stale(path)


def _remove_stale(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Refused(f"{path} is no socket", hint="choose another: --socket PATH")
    if _answers(path):
        raise PortTaken(f"a server listens on {path} already", hint="stop it first")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except TimeoutError:
            return True  # its backlog is full: somebody is there
    return True


def _started(library: Any, settings: Settings) -> Any:
    try:
        return library.Server(parameters(library, settings))
    except RuntimeError as error:  # the library's only one; its reason goes to the log
        settings.socket.unlink(missing_ok=True)
        raise Failed(
            f"llama.cpp cannot serve {settings.model.path}",
            hint="its reason stands above; too little memory or an unknown kind of model is usual",
        ) from error


def parameters(library: Any, settings: Settings) -> Any:
    """llama.cpp's parameters for ``settings``. ``library`` is the module ``xllamacpp``."""
    found = library.CommonParams()
    found.model.path = str(settings.model.path)
    found.model_alias = {settings.model.name}
    found.n_parallel = settings.slots
    found.n_ctx = settings.slot_context * settings.slots
    found.cache_ram_mib = settings.prompt_cache // MIB
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = settings.threads
    found.n_batch = found.n_ubatch = BATCH
    found.ctx_shift = False  # a full context ends the answer, rather than losing its beginning
    found.fit_params = False  # what was asked for, or an error; never silently less
    found.hostnames = [str(settings.socket)]
    found.port = 0
    found.ui = False
    found.cors_origins = ""
    found.verbosity = _QUIET
    _allow_embeddings(library, found, settings)
    return found


def _allow_embeddings(library: Any, found: Any, settings: Settings) -> None:
    """Serve embeddings beside answers.

    A model that was not made for it gives the mean over a text's tokens, which tells likeness
    better than the last token does. One cache for all slots, each held to its share, for with a
    cache of their own the library cuts texts of unlike length that it computes together, and takes
    the mean over the last piece only (measured: a likeness of 0.57 of a text with itself). That
    costs nothing measurable at two slots, and half as much again at four full ones.
    """
    found.embedding = True
    found.kv_unified = True
    found.kv_unified_per_slot = settings.slot_context
    if settings.model.head.own("pooling_type") is None:
        found.pooling_type = library.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN


def _end_at_signals(path: Path) -> None:
    own = path.stat().st_ino

    def end(number: int, frame: FrameType | None) -> None:
        # The library's own stop waits for each open answer, up to 30 s (measured). Nothing needs
        # it: no state is on disk, and a client is told by the closing of its connection.
        with contextlib.suppress(OSError):
            if path.stat().st_ino == own:
                path.unlink()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _wait_for_signals() -> NoReturn:
    """Lets their handlers run, and nothing else.

    `signal.pause` would miss one that comes just before it.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    while True:
        os.read(heard, 1)


def _description(settings: Settings) -> str:
    tokens = f"{settings.slot_context} tokens"
    if settings.slot_context < settings.context:
        tokens += f", all that the model was trained with, instead of {settings.context}"
    return (
        f"serving {settings.model.name} on unix:{settings.socket}"
        f" ({settings.threads} threads, {settings.slots} slots of {tokens})"
    )


def _say(text: str) -> None:
    print(f"llm: {text}", file=sys.stderr, flush=True)
