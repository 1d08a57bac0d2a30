"""Doing something from a page: buttons within its HTML, and questions before they act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from nicegui import events, ui

from sutazai.fleet.errors import SutazaiError

BY = "dashboard"
"""Who control is told that it was."""
MOST = 500
"""Characters of what people can type into a question."""

PRESSED = """(event) => {
  const button = event.target.closest("button[data-do]");
  if (button) emit(button.dataset.do, button.dataset.on);
}"""

T = TypeVar("T")
Doing = Callable[[str], Awaitable[object]]
"""Does something to what has this name."""


def acts(place: ui.html, doings: Mapping[str, Doing]) -> None:
    """Lets the buttons (``pieces.button``) within ``place`` do what they are named for."""

    async def pressed(event: events.GenericEventArguments) -> None:
        name, on = event.args
        if (doing := doings.get(name)) is not None:
            await doing(on)

    place.on("click", pressed, js_handler=PRESSED)


async def attempt(work: Awaitable[T], done: str = "") -> T | None:
    """What control answers; where it refuses, that is told, and None given."""
    try:
        found = await work
    except SutazaiError as error:
        ui.notify(
            "\n".join(filter(None, (error.message, error.hint))),
            type="negative",
            multi_line=True,
            classes="lines",
        )
        return None
    if done:
        ui.notify(done)
    return found


async def asked(title: str, said: str, yes: str, *, field: str = "") -> str | None:
    """Asks before something is done; ``said`` is HTML.

    What was typed into ``field``, an empty text where there is none; None for no.
    """
    with _dialog(title, said) as dialog:
        typed = ui.input(field).props(f"outlined dense maxlength={MOST}") if field else None
        with ui.row():
            _answer(dialog, yes, True)
            _answer(dialog, "Cancel", False)
    sure = await _answered(dialog)
    text = (typed.value or "") if typed else ""
    return text if sure else None


async def told(title: str, said: str) -> None:
    """Shows something until it has been read; ``said`` is HTML."""
    with _dialog(title, said) as dialog:
        _answer(dialog, "Close", False)
    await _answered(dialog)


@contextmanager
def _dialog(title: str, said: str) -> Iterator[ui.dialog]:
    with ui.dialog() as dialog, ui.element("div").classes("panel dialog"):
        dialog.props["aria-label"] = title
        ui.label(title).classes("title")
        ui.html(said, sanitize=False)
        yield dialog


def _answer(dialog: ui.dialog, text: str, value: bool) -> None:
    look = "no-caps" if value else "no-caps outline color=primary"
    ui.button(text, on_click=lambda: dialog.submit(value)).props(look)


async def _answered(dialog: ui.dialog) -> bool:
    """Whether it was a yes; leaving the page, or Escape, is none."""
    try:
        return bool(await dialog)
    finally:
        if not dialog.is_deleted:
            dialog.delete()
