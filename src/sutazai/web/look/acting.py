"""Doing something from a page: buttons within its HTML, and questions before they act."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
    with ui.dialog() as dialog, ui.element("div").classes("panel dialog"):
        dialog.props["aria-label"] = title
        ui.label(title).classes("title")
        ui.html(said, sanitize=False)
        typed = ui.input(field).props(f"outlined dense maxlength={MOST}") if field else None
        with ui.row():
            ui.button(yes, on_click=lambda: dialog.submit(True)).props("no-caps")
            ui.button("Cancel", on_click=lambda: dialog.submit(False)).props(
                "no-caps outline color=primary"
            )
    try:
        sure = await dialog
        text = (typed.value or "") if typed else ""
    finally:
        dialog.delete()
    return text if sure else None
