"""The APIs that clients and backends speak, and the neutral form between them.

Belongs here: pure functions from bytes and JSON to the neutral form and back, one package for each
dialect; what can be told of a prompt at a glance, and how it is made shorter.
Does not belong here: any I/O, any clock, any knowledge of backends, queues or keys; and no dialect
imports another.
"""

from __future__ import annotations

from sutazai.fleet.declared import Dialect
from sutazai.gateway.dialects.anthropic.codec import AnthropicCodec
from sutazai.gateway.dialects.codec import ClientCodec, Codec, relays
from sutazai.gateway.dialects.ollama.codec import OllamaCodec
from sutazai.gateway.dialects.openai.codec import OpenAiCodec

CODECS: dict[Dialect, Codec] = {
    Dialect.OPENAI: OpenAiCodec(),
    Dialect.OLLAMA: OllamaCodec(),
}
"""What backends speak, and clients too."""

CLIENTS: tuple[ClientCodec, ...] = (*CODECS.values(), AnthropicCodec())
"""What clients speak."""

__all__ = ["CLIENTS", "CODECS", "ClientCodec", "Codec", "relays"]
