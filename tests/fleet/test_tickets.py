"""Tickets: only who knows the token makes them, and they hold for one purpose and a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.fleet.errors import Unauthenticated
from sutazai.fleet.tickets import LINK, SESSION, Ticket

TOKEN = "the token of a fleet"
TICKET = Ticket(LINK, 1_000, "n0nce")


def test_a_ticket_is_read_back_as_it_was_made() -> None:
    assert Ticket.read(TICKET.signed(TOKEN), LINK, token=TOKEN, now=999.9) == TICKET


@pytest.mark.parametrize(
    ("purpose", "token", "now"),
    [(SESSION, TOKEN, 0.0), (LINK, "another token", 0.0), (LINK, TOKEN, 1_000.0)],
)
def test_it_holds_for_nothing_else(purpose: str, token: str, now: float) -> None:
    with pytest.raises(Unauthenticated):
        Ticket.read(TICKET.signed(TOKEN), purpose, token=token, now=now)


@given(text=st.text())
def test_no_other_text_is_a_ticket(text: str) -> None:
    with pytest.raises(Unauthenticated):
        Ticket.read(text, LINK, token=TOKEN, now=0.0)


@given(at=st.integers(0, 60), to=st.characters())
def test_a_ticket_with_one_character_changed_is_none(at: int, to: str) -> None:
    good = TICKET.signed(TOKEN)
    at = min(at, len(good) - 1)
    changed = good[:at] + to + good[at + 1 :]
    if changed != good:
        with pytest.raises(Unauthenticated):
            Ticket.read(changed, LINK, token=TOKEN, now=0.0)
