"""How a Prometheus finds and asks the processes of a fleet. Pure.

It reaches all of them through control, by paths of their own: host and gateway listen on Unix
sockets, of which Prometheus knows nothing.
"""

from __future__ import annotations

import json

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


def configuration(url: str, token_file: str, fleet: str, *, alertmanager: str) -> str:
    """A prometheus.yml; ``url`` is control's, ``token_file`` the full path of its token,
    ``alertmanager`` is ``HOST:PORT``."""
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
"""
