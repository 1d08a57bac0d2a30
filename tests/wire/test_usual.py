"""Usual responses go out by a path of their own, in the same words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sutazai.wire import Headers, Request, Response
from sutazai.wire.inbound import Whole
from sutazai.wire.outbound import plan_response, usual_response
from sutazai.wire.writer import COALESCED_MAX

DATE = ("date", "Mon, 23 Nov 2026 00:00:00 GMT")  # else a second may pass in between
PAIRS = st.sampled_from(
    [
        ("content-type", "application/json"),
        ("X-Name", "välue"),
        ("connection", "close"),
        ("Connection", "keep-alive"),
        ("content-length", "3"),
    ]
)


@given(
    status=st.integers(200, 599),
    headers=st.lists(PAIRS, max_size=4, unique_by=lambda pair: pair[0].lower()),
    body=st.binary(max_size=5),
    method=st.sampled_from(["GET", "POST", "HEAD"]),
)
def test_it_says_the_same(
    status: int, headers: list[tuple[str, str]], body: bytes, method: str
) -> None:
    response = Response(status, (DATE, *headers), body)
    message = usual_response(response, method)
    if message is None:
        assert method == "HEAD" or status in (204, 304) or len(headers) > 0
        return
    out = plan_response(response, method, old=False, keep_alive=True)
    assert message == out.head + body
    assert out.keep_alive and not out.bare


@pytest.mark.parametrize(
    "special",
    [
        {"status": 204},
        {"headers": (DATE, ("connection", "close"))},
        {"headers": [DATE]},
        {"body": bytes(COALESCED_MAX + 1)},
    ],
)
def test_what_is_special_goes_the_other_way(special: dict[str, Any]) -> None:
    values = {"status": 200, "headers": (DATE,), "body": b"", **special}
    assert usual_response(Response(**values), "GET") is None


def test_the_date_is_told() -> None:
    message = usual_response(Response(200, (), b"x"), "GET")
    assert message is not None and b"\r\ndate: " in message and message.endswith(b"\r\n\r\nx")


def test_messages_are_not_printed_because_some_of_what_they_say_is_secret() -> None:
    request = Request("GET", "/key/secret/x", Headers(), Whole(b"secret"), 9)
    for message in (
        request,
        Response(200, (("x-api-key", "secret"),), b"secret"),
        Whole(b"secret"),
    ):
        assert "secret" not in repr(message)
