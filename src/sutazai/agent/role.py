"""The agent that needs no code: a prompt, a tier, and the model's answer."""

from __future__ import annotations

from sutazai.agent.base import Agent, as_text
from sutazai.agent.task import TaskContext


class RoleAgent(Agent):
    """Asks the model with its prompt and hands the answer on as it comes.

    The output is the model's text; with a schema it is the text of a JSON value that the backend
    was told to hold to it.
    """

    async def run(self, task: TaskContext) -> str:
        messages = [
            {"role": "system", "content": self.prompt},
            {"role": "user", "content": as_text(task.input)},
        ]
        pieces = []
        async for piece in self.llm.stream(
            messages, schema=task.schema, max_tokens=task.max_tokens
        ):
            pieces.append(piece)
            await task.token(piece)
        return "".join(pieces)
