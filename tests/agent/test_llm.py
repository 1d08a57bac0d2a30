"""What an agent asks a model."""

from __future__ import annotations

import pytest

from sutazai.agent.identity import Identity
from sutazai.agent.llm import Llm
from sutazai.fleet.errors import BadInput
from sutazai.wire import Client


async def test_a_text_alone_is_no_conversation() -> None:
    async with Client() as client:
        llm = Llm(Identity(agent="a", instance="a-1"), client)
        with pytest.raises(BadInput, match="list of messages"):
            await llm.chat("Say something.")  # type: ignore[arg-type]
