"""What fires and what is about to, the cause first, with what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from sutazai.cli.alerts_view import alert_view
from sutazai.fleet.alert_status import Alert, AlertState


def alerts_parts(alerts: Sequence[Alert]) -> Iterator[RenderableType]:
    """Everything, however long it is: what is heard, what is not, how many are over."""
    open_ = [alert for alert in alerts if alert.state is not AlertState.RESOLVED]
    heard = [alert for alert in open_ if not alert.muted]
    if not heard:
        yield Text("Nothing is wrong.", "bold green")
    for alert in heard:
        yield from alert_view(alert)
        yield ""
    for alert in open_:
        if alert.muted:
            yield Text(f"{alert.id} {alert.state}, not told: {alert.muted}", "dim")
    if over := len(alerts) - len(open_):
        yield Text(f"{over} ended of late: sutazai alerts list --all", "dim")
