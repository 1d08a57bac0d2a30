"""What the fleet file says of logs, and of metrics and traces that are sent elsewhere."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from sutazai.fleet.declared import Spec

_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/[!$-;=@-~]*)?"
)


def _is_url(text: str) -> str:
    found = _URL.fullmatch(text)
    if found is None or not 0 < int(found[1] or 1) < 65536:
        raise ValueError("expected a URL as http://127.0.0.1:4318")
    return text


class LogFormat(StrEnum):
    """How lines of logs are written: for people, or as JSON objects."""

    CONSOLE = "console"
    JSON = "json"


class Logs(Spec):
    """How logs are written; `sutazai logs` reads both forms."""

    format: LogFormat = Field(
        LogFormat.CONSOLE, description="`console`, for people, or `json`: one object a line."
    )


class Tracing(Spec):
    """Where the traces of tasks that have ended are sent; nowhere by default."""

    otlp: Annotated[str, AfterValidator(_is_url)] | None = Field(
        None,
        description="Base URL of an OpenTelemetry collector (OTLP over HTTP, in JSON), as "
        "`http://127.0.0.1:4318`; `/v1/traces` is added.",
    )
    share: float = Field(1.0, gt=0, le=1, description="Share of the traces that is sent.")


class RemoteWrite(Spec):
    """A store that takes metrics by Prometheus' remote write, as Thanos, Mimir, VictoriaMetrics or
    another Prometheus."""

    url: Annotated[str, AfterValidator(_is_url)] = Field(
        description="Where it takes them, as `http://127.0.0.1:9090/api/v1/write`."
    )
    token_file: str | None = Field(
        None,
        pattern="^/[ -~]*$",
        description="Full path of a file with its bearer token, which Prometheus reads.",
    )


class Metrics(Spec):
    """Where a Prometheus beside the fleet sends all metrics on to; nowhere by default."""

    remote_write: tuple[RemoteWrite, ...] = Field(
        (), description="Stores that get them all; `sutazai export prometheus` writes it so."
    )
