"""Whether a fleet that is about to start will have a model at all."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

from sutazai.fleet.errors import NoModel, SutazaiError
from sutazai.fleet.spec import Fleet
from sutazai.llm.detect import detect_ollama
from sutazai.llm.models import BUILT_IN, PREFIX, find_model
from sutazai.wire import Client

LIBRARY = "xllamacpp"


def check_model(fleet: Fleet) -> None:
    """Raise NoModel, with what to install or pull, where nothing would answer the agents."""
    if fleet.backends or (fleet.llm.detect_ollama and asyncio.run(_ollama_has_a_model())):
        return
    find_model(fleet.llm.model)
    if find_spec(LIBRARY) is None:
        raise NoModel(
            f"the embedded LLM server is not installed ({LIBRARY} is missing)",
            hint="pip install 'sutazai[llm]'\nor start an Ollama that has a model",
        )


def with_model_path(fleet: Fleet, file: Path | None) -> Fleet:
    """``fleet`` with the path of its model, where that is one, counted from the fleet file."""
    model = fleet.llm.model
    named = model in BUILT_IN or model.startswith(PREFIX)
    if file is None or named or not ("/" in model or model.endswith(".gguf")):
        return fleet
    path = file.absolute().parent / Path(model).expanduser()
    return fleet.model_copy(update={"llm": fleet.llm.model_copy(update={"model": str(path)})})


def model_size(fleet: Fleet) -> int | None:
    """Bytes of the embedded model's file, for the memory plan; None where it is not needed yet."""
    if fleet.backends:
        return None
    try:
        return find_model(fleet.llm.model).path.stat().st_size
    except (SutazaiError, OSError):  # `check_model` says it where it matters
        return None


async def _ollama_has_a_model() -> bool:
    async with Client() as client:
        found = await detect_ollama(client)
    return found is not None and bool(found.models)
