"""What is known of one backend at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sutazai.fleet.declared import Dialect
from sutazai.fleet.routes import BackendRoute
from sutazai.gateway.backends.entra import EntraTokens
from sutazai.gateway.backends.pins import pin_of, pinned
from sutazai.gateway.backends.providers import Reach, reach_of
from sutazai.gateway.dialects import CODECS, Codec
from sutazai.gateway.dialects.neutral import Form, Model
from sutazai.wire import Address

_READ = frozenset({Form.CHAT, Form.COMPLETION})
"""Forms whose prompt must be read as a whole; embeddings of a beginning are of use."""


@dataclass(frozen=True)
class BackendState:
    """One backend as it is known now.

    Args:
        reason: why it is not available, or what else is the matter with it.
        finding: what is worth knowing of it though it serves.
        models: None until it was first reached. Their ``context`` is the one that holds for calls.
        loaded: what is in its memory, each with its tokens of context as far as it tells; None
            where it does not tell, and all its models count as loaded.
        capacity: how many models it holds at once, where it tells what it has loaded.
        told_slots: what it says of its slots itself.
        slots: how many generations it is given at once.
        tokens: where it wants tokens of Microsoft Entra.
        reach: how it is reached, which follows from ``route``.
    """

    route: BackendRoute
    available: bool = False
    reason: str = "not reached yet"
    finding: str = ""
    models: tuple[Model, ...] | None = None
    loaded: Mapping[str, int] | None = None
    capacity: int = 1
    told_slots: int | None = None
    slots: int = 1
    tokens: EntraTokens | None = field(default=None, compare=False, repr=False)
    reach: Reach = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reach", reach_of(self.route))

    @property
    def codec(self) -> Codec:
        return CODECS[self.route.dialect]

    @property
    def address(self) -> Address:
        return self.reach.address

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every request to it carries. Holds secrets."""
        if self.tokens is None:
            return self.reach.headers
        return (*self.reach.headers, *self.tokens.headers)

    def target(self, path: str) -> str:
        """``path`` of the dialect at this backend."""
        return self.reach.target(path)

    @property
    def resident(self) -> frozenset[str] | None:
        """The models in its memory, None where all of them count as such."""
        return None if self.loaded is None else frozenset(self.loaded)

    @property
    def memory(self) -> dict[str, int]:
        """Bytes of each model in its memory, as far as it tells them."""
        models = self.models or () if self.available else ()
        return {one.name: one.size for one in models if one.size and self.is_resident(one.name)}

    def is_resident(self, model: str) -> bool:
        """Whether ``model`` need not be loaded first, as far as is known."""
        return self.loaded is None or model in self.loaded

    def is_fixed(self, model: str) -> bool:
        """Whether no call can change how many tokens of context ``model`` is loaded with."""
        if self.route.dialect is not Dialect.OLLAMA:
            return True
        pin = pin_of(self.route.models, model)
        return pin is not None and pin.context is not None

    def pinned(self, body: Mapping[str, Any], model: str) -> Mapping[str, Any]:
        """``body`` of a call for ``model`` in this backend's dialect, with what is declared of how
        the model is loaded; the very same where nothing is."""
        if self.route.dialect is not Dialect.OLLAMA:
            return body
        pin = pin_of(self.route.models, model)
        return body if pin is None else pinned(pin, body)

    def adapted(self, form: Form, body: Mapping[str, Any], model: str) -> Mapping[str, Any]:
        """As `pinned`; and an Ollama is told to refuse a prompt that is too long instead of cutting
        it in silence, where the client does not say."""
        body = self.pinned(body, model)
        if self.route.dialect is Dialect.OLLAMA and form in _READ and "truncate" not in body:
            return {**body, "truncate": False}
        return body
