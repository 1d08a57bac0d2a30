"""The APIs that clients and backends speak, and the neutral form between them.

Belongs here: pure functions from bytes and JSON to the neutral form and back, one package each.
Does not belong here: any I/O, any clock, any knowledge of backends, queues or keys; and no dialect
imports another.
"""

from __future__ import annotations

from sutazai.fleet.spec import Dialect
from sutazai.gateway.dialects.codec import Codec
from sutazai.gateway.dialects.ollama.codec import OllamaCodec
from sutazai.gateway.dialects.openai.codec import OpenAiCodec

CODECS: dict[Dialect, Codec] = {
    Dialect.OPENAI: OpenAiCodec(),
    Dialect.OLLAMA: OllamaCodec(),
}

__all__ = ["CODECS", "Codec"]
