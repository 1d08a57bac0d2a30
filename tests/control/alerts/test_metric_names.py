"""What a fleet file may speak of is what the house's processes tell."""

from __future__ import annotations

from itertools import chain

from sutazai.control.metrics.table import CONTROL
from sutazai.fleet.alert_defaults import ALERTS, OBJECTIVES
from sutazai.fleet.metric_names import METRICS, is_known
from sutazai.gateway.exposition import AGENTS, BACKENDS, NOW, TIERS, WAYS
from sutazai.host.metrics import MACHINE, UNITS
from sutazai.wire.process import OWN

TABLES = (MACHINE, *UNITS.values(), AGENTS, BACKENDS, NOW, TIERS, WAYS, CONTROL, OWN)


def test_the_list_of_metrics_is_whole() -> None:
    """One that is missing belongs into `fleet.metric_names`."""
    told = {row.metric.name for row in chain.from_iterable(TABLES)}

    assert told == METRICS


def test_built_in_alerts_look_at_what_there_is() -> None:
    for rule in chain(ALERTS.values(), OBJECTIVES.values()):
        assert is_known(rule["metric"])
        assert is_known(rule.get("share_of", rule)["metric"])


def test_parts_of_histograms_and_what_others_tell_are_known() -> None:
    assert is_known("gen_ai_server_request_duration_seconds_bucket")
    assert is_known("shop_orders_total")
    assert not is_known("sutazai_agent_upp")
