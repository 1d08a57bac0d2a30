"""The keys by which the gateway knows each agent; made once, kept for as long as the agent is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from sutazai.fleet.files import replace_file

KEY_BYTES = 24


def agent_keys(file: Path, agents: Iterable[str]) -> dict[str, str]:
    """One key for each of ``agents``, those in ``file`` kept; writes the file where they change.

    A file that cannot be read is made anew: agents then get new keys and are restarted.
    """
    known = _read(file)
    keys = {name: known.get(name) or secrets.token_urlsafe(KEY_BYTES) for name in sorted(agents)}
    if keys != known:
        replace_file(file, json.dumps(keys))
    return keys


def _read(file: Path) -> dict[str, str]:
    try:
        value = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {name: key for name, key in value.items() if isinstance(key, str)}
