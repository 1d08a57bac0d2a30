"""Who waits for whom, and what would make them wait for ever. Pure.

An agent that asks another one waits. Two things make such waits a circle that nobody leaves:

- an agent in the chain of askers is asked again by the end of that chain: A asks B, and B, while it
  works on that, asks A. However many pieces of work A can do at once, the whole chain is one piece
  of work, and an answer to it is not there before it is there; so it is refused without looking at
  whether A is free;
- the question would stand behind a message (order of one sender) whose handler waits, over any
  number of steps, for the one who asks.

Who asks for something that it handles says which message that is (`Message.cause`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sutazai.bus.message import Message

Ahead = Callable[[Message], Iterable[Message]]
"""What has to be settled before a message is looked at."""


class Waits:
    """The questions that are open."""

    def __init__(self) -> None:
        self._open: dict[str, Message] = {}
        self._caused: dict[str, dict[str, Message]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, question: Message) -> None:
        """Its sender waits from now on."""
        self._open[question.id] = question
        if question.cause:
            self._caused.setdefault(question.cause, {})[question.id] = question

    def end(self, question: Message) -> None:
        """Its sender waits no more."""
        self._open.pop(question.id, None)
        siblings = self._caused.get(question.cause)
        if siblings is not None:
            siblings.pop(question.id, None)
            if not siblings:
                del self._caused[question.cause]

    def circle(self, question: Message, ahead: Ahead) -> tuple[str, ...]:
        """The agents around the circle that a new question would close, first and last the one
        that asks; nothing where it closes none."""
        return self._chain(question) or self._behind(question, ahead)

    def _chain(self, question: Message) -> tuple[str, ...]:
        if question.to == question.sender:
            return question.sender, question.to
        askers = [question.sender]
        cause = self._cause_of(question)
        while cause is not None and cause.sender != question.to:
            askers.append(cause.sender)
            cause = self._cause_of(cause)
        if cause is None:
            return ()
        return (question.sender, question.to, *reversed(askers))

    def _cause_of(self, question: Message) -> Message | None:
        """The open question that its sender was asked; a claim about others' is not believed."""
        cause = self._open.get(question.cause)
        return cause if cause is not None and cause.to == question.sender else None

    def _behind(self, question: Message, ahead: Ahead) -> tuple[str, ...]:
        """Goes from what stands before it to what that waits for, and so on, back to its cause."""
        if not question.cause:
            return ()
        seen: set[str] = set()
        todo: list[tuple[Message, tuple[str, ...]]] = [
            (message, (question.sender, question.to)) for message in ahead(question)
        ]
        while todo:
            message, path = todo.pop()
            if message.id == question.cause:
                return path
            if message.id not in seen:
                seen.add(message.id)
                todo += [(one, path) for one in ahead(message)]
                todo += [
                    (one, (*path, one.to)) for one in self._caused.get(message.id, {}).values()
                ]
        return ()
