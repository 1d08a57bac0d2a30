"""Under which label metrics tell of an agent. Pure.

Host and gateway go by the same rule, so that what both tell of an agent can be put side by side.
"""

from __future__ import annotations

from collections.abc import Mapping

AGENTS_MAX = 1_000
"""More agents than these are told by their groups."""

GROUPS_MAX = 100
OTHER = "other"


def labelled(groups: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name and value of the label of each agent, from the agents' groups by name.

    ``("agent", NAME)``; where there are more than `AGENTS_MAX`, ``("group", GROUP)``, and groups
    beyond `GROUPS_MAX` are `OTHER`.
    """
    if len(groups) <= AGENTS_MAX:
        return {name: ("agent", name) for name in groups}
    told = set(sorted(set(groups.values()))[:GROUPS_MAX])
    return {name: ("group", group if group in told else OTHER) for name, group in groups.items()}
