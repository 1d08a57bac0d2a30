"""The agent SDK: what an author writes against, and the process an agent runs in.

Belongs here: the `Agent` base and the agents that need no code, the task context, the LLM client,
the instance's own HTTP server, and the zygote that forks instances.
Does not belong here: supervision (host), routing and queueing (gateway), and any import that is
not needed by every instance, for this is what each forked process holds in memory.

An agent of one's own::

    from sutazai.agent import Agent, TaskContext

    class Planner(Agent):
        async def run(self, task: TaskContext) -> str:
            await task.progress("thinking")
            answer = await self.llm.generate(f"Plan this: {task.input}")
            return answer.text
"""

from sutazai.agent.base import Agent
from sutazai.agent.legacy import LegacyAgent
from sutazai.agent.llm import Answer, Llm
from sutazai.agent.messages import Message, on
from sutazai.agent.pressure import Pressure
from sutazai.agent.role import RoleAgent
from sutazai.agent.task import TaskContext, Usage

__all__ = [
    "Agent", "RoleAgent", "LegacyAgent", "TaskContext", "Usage", "Answer", "Llm", "Message", "on",
    "Pressure",
]  # fmt: skip
