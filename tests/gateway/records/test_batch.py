"""Calls as they are kept: packed, many in a row."""

from __future__ import annotations

from sutazai.gateway.records.batch import Text, batch_of, batch_row, calls_of
from sutazai.gateway.records.call import CallRecord
from sutazai.gateway.records.file import VERSION
from tests.gateway.records.makers import NOW, call


def shout(text: Text) -> str | None:
    return None if text is None else str(text).upper()


def test_files_with_other_fields_have_another_version() -> None:
    """Whoever changes the fields of a record: a file of the same version must have these."""
    assert VERSION == 2
    assert CallRecord.__struct_fields__ == (
        *("id", "at", "caller", "agent", "task", "run", "priority", "tier", "version", "model"),
        *("backend", "dialect", "form", "stream", "outcome", "status", "error", "prompt_tokens"),
        *("completion_tokens", "cached_tokens", "queued", "first_token", "total", "bytes_in"),
        *("bytes_out", "cache", "context", "prompt", "answer"),
    )


def test_what_is_unpacked_is_what_was_packed() -> None:
    calls = [call(id="a", at=NOW + 2, stream=True), call(id="b", at=NOW), call(id="c", at=NOW + 1)]

    length, oldest, newest, packed, texts = batch_row(batch_of(calls), shout)

    assert (length, oldest, newest, texts) == (3, NOW, NOW + 2, None)
    assert [CallRecord(*fields) for fields in calls_of(packed)] == calls


def test_texts_are_kept_apart_and_come_back_to_their_calls() -> None:
    calls = [call(id="a"), call(id="b")]
    row = batch_row(batch_of(calls, [(1, "why", None)]), shout)
    *_, packed, texts = row

    assert calls_of(packed)[1][-2:] == [None, None]
    assert [fields[-2:] for fields in calls_of(packed, texts)] == [[None, None], ["WHY", None]]


def test_what_nothing_can_hold_is_kept_as_far_as_it_can_be() -> None:
    odd = [call(task="\ud800", prompt_tokens=10**40), call()]
    *_, packed, texts = batch_row(batch_of(odd, [(0, "\udfff", "")]), lambda text: text)  # type: ignore[arg-type,return-value]

    first, second = (CallRecord(*fields) for fields in calls_of(packed, texts))
    assert (first.task, first.prompt_tokens, first.prompt) == ("?", 2**63 - 1, "?")
    assert second == call()
