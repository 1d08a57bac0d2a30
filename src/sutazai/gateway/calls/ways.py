"""How calls reach a model on a backend: made ready once, and kept while nothing changes there."""

from __future__ import annotations

from dataclasses import dataclass

from sutazai.gateway.backends.state import BackendState
from sutazai.gateway.dialects.codec import ClientCodec
from sutazai.gateway.dialects.neutral import Form
from sutazai.wire import Timeout

KEPT_MAX = 4096
"""Ways that are kept; one more, and all are made anew."""

_JSON = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class Way:
    """Where calls go and in what words, whatever they say.

    ``relayed`` says that the bytes of client and backend are passed on as they are; ``streams``
    that the backend is asked for a stream; ``headers`` are those that stay. They hold secrets.
    """

    backend: BackendState
    model: str
    form: Form
    relayed: bool
    streams: bool
    target: str
    headers: tuple[tuple[str, str], ...]
    timeout: Timeout


class Ways:
    """The ways that calls went before."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, Form, bool, bool], Way] = {}

    def find(
        self,
        backend: BackendState,
        model: str,
        form: Form,
        *,
        relays: ClientCodec | None,
        streams: bool,
    ) -> Way:
        """The way of calls of ``form`` to ``model``.

        Args:
            relays: what clients and backend speak, None where they speak differently.
        """
        key = (backend.route.name, model, form, relays is not None, streams)
        way = self._kept.get(key)
        if way is None or way.backend is not backend:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            way = self._kept[key] = _way(backend, model, form, relays, streams)
        return way


def _way(
    backend: BackendState, model: str, form: Form, relays: ClientCodec | None, streams: bool
) -> Way:
    path = (relays or backend.codec).target(form)
    return Way(
        backend,
        model,
        form,
        relays is not None,
        streams,
        backend.target(path),
        (_JSON, *backend.reach.headers),
        _timeout(backend, model, streams),
    )


def _timeout(backend: BackendState, model: str, streams: bool) -> Timeout:
    bounds = backend.route.timeouts
    loading = 0.0 if backend.is_resident(model) else bounds.load
    if streams:
        first = bounds.first_token + loading
        return Timeout(bounds.connect, first, first)
    return Timeout(bounds.connect, bounds.total + loading, bounds.between_tokens)
