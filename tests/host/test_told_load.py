"""What an instance tells of its load is believed only where it makes sense."""

from __future__ import annotations

import pytest

from sutazai.fleet.declared import Priority
from sutazai.host.instances.probes import load_of


@pytest.mark.parametrize(
    ("body", "load"),
    [
        (b'{"idle": 2.5, "serving": "high"}', (2.5, Priority.HIGH)),
        (b'{"idle": 3}', (3.0, None)),
        (b'{"idle": "3", "serving": "highest"}', (None, None)),
        (b'{"idle": NaN}', (None, None)),
        (b'{"idle": 1' + b"0" * 400 + b"}", (None, None)),
        (b"[1, 2]", (None, None)),
        (b"{", (None, None)),
    ],
)
def test_only_a_time_is_a_time(body: bytes, load: tuple[float | None, Priority | None]) -> None:
    assert load_of(body) == load
