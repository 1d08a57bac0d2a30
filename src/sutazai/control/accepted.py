"""Which fleet is in force: the one that `up` wrote, or one that was accepted since then."""

from __future__ import annotations

import json

from sutazai.control.settings import Settings
from sutazai.fleet.files import replace_file
from sutazai.fleet.revisions import Revision
from sutazai.fleet.spec import Fleet

FIXED = ("name", "ports", "database")
"""What a fleet keeps from `up` to `down`."""


def in_force(settings: Settings, newest: Revision | None) -> Settings:
    """The settings with the newest revision, where that is younger than the fleet's start: it is
    what was accepted last, whatever a crash left in the files. Pure."""
    if newest is None or newest.at <= settings.config.started:
        return settings
    accepted = with_revision(settings, newest)
    return settings if accepted == settings else accepted


def with_revision(settings: Settings, revision: Revision) -> Settings:
    """The settings of the same fleet at another revision. Pure."""
    config = settings.config.model_copy(update={"fleet_file": revision.file})
    fleet = Fleet.model_validate(revision.spec)
    return settings.model_copy(
        update={"config": config, "fleet": fleet, "codes": dict(revision.codes)}
    )


def write_accepted(settings: Settings, revision: Revision) -> None:
    """Keeps the revision where other processes read what the fleet is. Raises OSError."""
    places, accepted = settings.places, with_revision(settings, revision)
    replace_file(places.fleet, accepted.fleet.model_dump_json(by_alias=True))
    replace_file(places.codes, json.dumps(accepted.codes))
    replace_file(places.config, accepted.config.model_dump_json())
