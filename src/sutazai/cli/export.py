"""``sutazai export``: files by which Prometheus and Grafana know a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from sutazai.cli import fleets
from sutazai.cli.config import read_config
from sutazai.cli.options import StateOption
from sutazai.fleet.errors import BadInput, Unavailable
from sutazai.fleet.spec import Fleet
from sutazai.observe.alerts import alertmanager
from sutazai.observe.alerts.declared import objectives_of, rules_of
from sutazai.observe.alerts.prometheus import rule_file
from sutazai.observe.prometheus import scraping

app = typer.Typer(no_args_is_help=True, help="Write files for Prometheus and Grafana.")

OutOption = Annotated[
    Path, typer.Option("--out", metavar="FOLDER", help="Where the files are written.")
]
HERE = Path()


@app.command()
def prometheus(out: OutOption = HERE, state: StateOption = None) -> None:
    """Write a prometheus.yml that finds all processes of the fleet and sends all on to the stores
    that the fleet file declares, its alerts as rules, and an alertmanager.yml to start from.
    Prometheus must be 2.42 or newer."""
    places = fleets.chosen(state)
    config = read_config(places)
    fleet = Fleet.model_validate_json(places.fleet.read_bytes())
    rules, objectives = rules_of(fleet), objectives_of(fleet)
    url = config.ports.url(config.ports.control)
    scraped = scraping.configuration(
        url,
        str(places.token),
        config.fleet,
        alertmanager=alertmanager.ADDRESS,
        remote_write=fleet.metrics.remote_write,
    )
    files = {
        "prometheus.yml": scraped,
        scraping.RULES: rule_file(rules, objectives),
        "alertmanager.yml": alertmanager.configuration(rules, objectives, fleet.notify),
    }
    _write(out, files)


@app.command()
def grafana(out: OutOption = HERE) -> None:
    """Write dashboards, which Grafana can import or provision."""
    if find_spec("grafana_foundation_sdk") is None:
        raise Unavailable(
            "dashboards are made with grafana-foundation-sdk, which is not installed",
            hint="pip install 'sutazai[grafana]'",
        )
    from sutazai.observe.prometheus.dashboards import BOARDS

    _write(out, {f"{board.uid}.json": board.to_json() for board in BOARDS})


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            typer.echo(path)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error}", hint="--out FOLDER") from error
