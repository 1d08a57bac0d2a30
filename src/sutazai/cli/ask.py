"""``sutazai ask``: one question to one agent, answered as the model writes."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from sutazai.cli.client import with_control
from sutazai.cli.options import AgentArgument, JsonOption, StateOption
from sutazai.cli.output import print_json
from sutazai.client import Control
from sutazai.fleet.errors import BadInput, BadPeer, SutazaiError, from_dict
from sutazai.fleet.work import Invocation, Result
from sutazai.wire import SseEvent

app = typer.Typer()


@app.command()
def ask(
    agent: AgentArgument,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="What to ask; `-` reads it from stdin.")
    ] = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask one agent and see the answer as it is written.

    Without PROMPT the question is read from stdin, where something is piped in.
    """
    asked = Invocation(input=_question(prompt))
    with_control(state, lambda control: _ask(control, agent, asked, as_json=as_json))


def _question(prompt: str | None) -> str:
    if prompt is None and sys.stdin.isatty():
        raise BadInput("there is no question", hint='sutazai ask AGENT "your question"')
    text = sys.stdin.read() if prompt in (None, "-") else prompt
    if not text or not text.strip():
        raise BadInput("the question is empty", hint='sutazai ask AGENT "your question"')
    return text


async def _ask(control: Control, agent: str, asked: Invocation, *, as_json: bool) -> None:
    answer = Answer(quiet=as_json)
    value = asked.model_dump(mode="json", by_alias=True, exclude_none=True)
    async for event in control.events("POST", f"/agents/{agent}/invoke", value):
        answer.take(event)
    result = answer.result()
    if as_json:
        print_json(result.model_dump(mode="json"))


class Answer:
    """Prints an answer piece by piece as its events come.

    Args:
        quiet: collect the result only.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._streamed = False
        self._result: Result | None = None

    def take(self, event: SseEvent) -> None:
        """Show one event. Raises what an ``error`` event names."""
        value = json.loads(event.data)
        match event.event:
            case "token":
                self._token(value["text"])
            case "progress":
                self._progress(value["message"])
            case "result":
                self._finish(Result.model_validate(value))
            case "error":
                raise self._broken_off(value)

    def result(self) -> Result:
        """The result, once the events have ended. Raises BadPeer where none came."""
        if self._result is None:
            raise BadPeer("the answer broke off", hint="ask again, or see: sutazai events")
        return self._result

    def _token(self, text: str) -> None:
        if not self._quiet:
            self._streamed = True
            print(text, end="", flush=True)

    def _progress(self, message: str) -> None:
        if not self._quiet and sys.stderr.isatty():
            print(message, file=sys.stderr)

    def _finish(self, result: Result) -> None:
        self._result = result
        if self._quiet:
            return
        print("" if self._streamed else _as_text(result.output))

    def _broken_off(self, value: dict[str, Any]) -> SutazaiError:
        if self._streamed:
            print()
        return from_dict(value)


def _as_text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output, indent=2, ensure_ascii=False)
