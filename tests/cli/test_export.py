"""`sutazai export`: files for a Prometheus, an Alertmanager and a Grafana, of a fleet that need not
run."""

from __future__ import annotations

import json
from pathlib import Path

from ruamel.yaml import YAML

from sutazai.fleet.load import parse_fleet
from sutazai.fleet.places import Places
from tests.cli.conftest import CommandLine

WATCHED = "name: watched\nalerts:\n  hot: {metric: heat, value: 5, suppresses: [llm-down]}\n"


def test_prometheus_gets_its_targets_and_the_fleet_s_alerts(
    sutazai: CommandLine, fleet: Places, tmp_path: Path
) -> None:
    fleet.fleet.write_text(parse_fleet(WATCHED, file="x").model_dump_json(by_alias=True))
    out = tmp_path / "out"

    said = sutazai("export", "prometheus", "--out", str(out))

    assert said.code == 0, said.err
    files = [out / name for name in ("prometheus.yml", "rules/sutazai.yml", "alertmanager.yml")]
    assert said.out.splitlines() == [str(file) for file in files]
    scraping, rules, manager = (file.read_text() for file in files)
    assert str(fleet.token) in scraping and "rule_files: [rules/sutazai.yml]" in scraping
    watched, owed = json.loads(rules)["groups"]
    assert {"hot", "llm-down"} <= {rule["alert"] for rule in watched["rules"]}
    assert owed["rules"][0]["alert"] == "answered-burns-fast"
    assert 'alertname=\\"hot\\"' in manager


STORES = """\
name: watched
metrics:
  remote_write:
    - {url: "http://127.0.0.1:10908/api/v1/receive"}
    - {url: "https://metrics.example.com/api/v1/write", token_file: /etc/prometheus/store.token}
"""


def test_declared_stores_get_what_prometheus_reads(
    sutazai: CommandLine, fleet: Places, tmp_path: Path
) -> None:
    fleet.fleet.write_text(parse_fleet(STORES, file="x").model_dump_json(by_alias=True))

    sutazai("export", "prometheus", "--out", str(tmp_path))

    near, far = YAML(typ="safe").load(tmp_path / "prometheus.yml")["remote_write"]
    assert near == {"url": "http://127.0.0.1:10908/api/v1/receive"}
    token = {"type": "Bearer", "credentials_file": "/etc/prometheus/store.token"}
    assert far == {"url": "https://metrics.example.com/api/v1/write", "authorization": token}


def test_where_nothing_can_be_written_it_says_so(
    sutazai: CommandLine, fleet: Places, tmp_path: Path
) -> None:
    fleet.fleet.write_text(parse_fleet(WATCHED, file="x").model_dump_json(by_alias=True))
    (tmp_path / "file").touch()

    assert sutazai("export", "prometheus", "--out", str(tmp_path / "file")).code == 2


def test_what_was_never_started_cannot_be_exported(sutazai: CommandLine) -> None:
    assert sutazai("export", "prometheus").code == 6
