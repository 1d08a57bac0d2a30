"""How a Prometheus finds and asks the processes of a fleet. Pure.

It reaches all of them through control, by paths of their own: host and gateway listen on Unix
sockets, of which Prometheus knows nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sutazai.fleet.observing import RemoteWrite

PATHS = {
    "sutazai-control": "/metrics",
    "sutazai-host": "/metrics/host",
    "sutazai-gateway": "/metrics/gateway",
}
"""Each process by its job."""

DISCOVERY = "/api/v1/prometheus/targets"
"""Where control tells its targets."""

RULES = "rules/sutazai.yml"
"""The file of rules beside the configuration."""

EVERY = "30s"


def targets(address: str) -> list[dict[str, object]]:
    """The answer of HTTP service discovery; ``address`` is ``HOST:PORT`` of control."""
    return [
        {"targets": [address], "labels": {"job": job, "__metrics_path__": path}}
        for job, path in PATHS.items()
    ]


def configuration(
    url: str,
    token_file: str,
    fleet: str,
    *,
    alertmanager: str,
    remote_write: Sequence[RemoteWrite] = (),
) -> str:
    """A prometheus.yml; ``url`` is control's, ``token_file`` the full path of its token,
    ``alertmanager`` is ``HOST:PORT``. All series go on to the stores of ``remote_write``."""
    discovery = json.dumps(f"{url}{DISCOVERY}")
    token = json.dumps(token_file)
    return f"""\
# Made by `sutazai export prometheus`. Prometheus must be able to read the token's file.
global:
  scrape_interval: {EVERY}
  evaluation_interval: {EVERY}
  external_labels:
    fleet: {json.dumps(fleet)}
rule_files: [{RULES}]
alerting:
  alertmanagers:
    - static_configs: [{{targets: [{json.dumps(alertmanager)}]}}]
scrape_configs:
  - job_name: sutazai
    http_sd_configs:
      - url: {discovery}
        refresh_interval: 60s
        authorization: {{type: Bearer, credentials_file: {token}}}
    authorization: {{type: Bearer, credentials_file: {token}}}
{_written(remote_write)}"""


def _written(stores: Sequence[RemoteWrite]) -> str:
    """The stores as YAML; nothing where there are none."""
    lines = "".join(f"  - {json.dumps(_store(one))}\n" for one in stores)
    return f"remote_write:\n{lines}" if lines else ""


def _store(store: RemoteWrite) -> dict[str, object]:
    if store.token_file is None:
        return {"url": store.url}
    token = {"type": "Bearer", "credentials_file": store.token_file}
    return {"url": store.url, "authorization": token}
