"""How calls for a target reach a backend: made ready once, and kept until a backend is another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sutazai.fleet.declared import Dialect
from sutazai.fleet.errors import NoModel
from sutazai.gateway.backends.catalogue import Target
from sutazai.gateway.backends.registry import Backends
from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.calls.ask import Ask
from sutazai.gateway.dialects.codec import Codec, relays
from sutazai.gateway.dialects.neutral import Form
from sutazai.wire import Address, Timeout

KEPT_MAX = 4096
"""Ways that are kept; one more, and all are made anew."""

_JSON = ("content-type", "application/json")
_TOKENS = frozenset({Form.CHAT, Form.COMPLETION})


@dataclass(frozen=True, slots=True)
class Way:
    """Where calls go and in what words, whatever they say.

    ``codec`` is what the backend speaks, ``targets`` its endpoints. ``relayed`` says that the bytes
    of client and backend are passed on as they are, ``verbatim`` that in a client's body nothing
    but the model's name may have to be changed for that, and ``gathers`` that the backend is asked
    for a stream also where the client wants the answer as a whole. ``headers`` are those that stay;
    they hold secrets. ``whole`` and ``streamed`` are the patience with either kind of answer.
    """

    backend: BackendState
    name: str
    model: str
    address: Address
    codec: Codec
    targets: Mapping[Form, str]
    relayed: bool
    verbatim: bool
    gathers: bool
    headers: tuple[tuple[str, str], ...]
    whole: Timeout
    streamed: Timeout


class Ways:
    """The ways that calls go by what ``backends`` have at the time."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._published: Mapping[str, BackendState] | None = None
        self._kept: dict[tuple[object, ...], Way] = {}

    def find(self, target: Target, backend: str, ask: Ask) -> Way:
        """The way of calls like ``ask`` to the model that ``target`` has on ``backend`` now.

        Raises NoModel where it is not there any more.
        """
        if self._published is not self._backends.published or len(self._kept) > KEPT_MAX:
            self._published, self._kept = self._backends.published, {}
        key = (target.key, backend, ask.codec, ask.form)
        way = self._kept.get(key)
        if way is None:
            way = self._kept[key] = self._made(target, backend, ask)
        return way

    def _made(self, target: Target, name: str, ask: Ask) -> Way:
        backend = self._backends.state(name)
        model = self._backends.model_of(target, name)
        if model is None:
            raise NoModel(f"the backend {name!r} has the model no more", hint="try again")
        route, codec = backend.route, backend.codec
        relayed = relays(ask.codec, ask.form, route.dialect)
        spoken = ask.codec if relayed else codec
        return Way(
            backend,
            name,
            model,
            backend.address,
            codec,
            {form: backend.target(path) for form, path in spoken.endpoints.items()},
            relayed,
            verbatim=relayed and route.dialect is not Dialect.OLLAMA,
            # The embedded server notices that a client left only while it streams to it.
            gathers=route.embedded and ask.form in _TOKENS,
            headers=(_JSON, *backend.reach.headers),
            whole=_whole(backend, model),
            streamed=_streamed(backend, model),
        )


def _whole(backend: BackendState, model: str) -> Timeout:
    bounds = backend.route.timeouts
    total = bounds.total + _loading(backend, model)
    return Timeout(bounds.connect, total, bounds.between_tokens)


def _streamed(backend: BackendState, model: str) -> Timeout:
    bounds = backend.route.timeouts
    first = bounds.first_token + _loading(backend, model)
    return Timeout(bounds.connect, first, first)


def _loading(backend: BackendState, model: str) -> float:
    return 0.0 if backend.is_resident(model) else backend.route.timeouts.load
