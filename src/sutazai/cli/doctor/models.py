"""What there is to answer agents: an Ollama and its settings, the embedded LLM. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sutazai.cli.doctor.finding import Finding, Level
from sutazai.fleet.errors import SutazaiError
from sutazai.fleet.serving import EmbeddedLlm
from sutazai.fleet.units import format_size
from sutazai.llm.detect import Look, Ollama
from sutazai.llm.memory import estimate
from sutazai.llm.models import Model

SMALL_MODEL = "llama3.2:3b"
_SHOWN_MODELS = 5
_SETTINGS = (
    "OLLAMA_NUM_PARALLEL",
    "OLLAMA_MAX_LOADED_MODELS",
    "OLLAMA_MAX_QUEUE",
    "OLLAMA_KEEP_ALIVE",
    "OLLAMA_CONTEXT_LENGTH",
    "OLLAMA_FLASH_ATTENTION",
    "OLLAMA_KV_CACHE_TYPE",
)


@dataclass(frozen=True)
class Embedded:
    """The state of the embedded LLM: its library, and the model or the error in its place."""

    library: bool
    model: Model | SutazaiError
    settings: EmbeddedLlm


def model_findings(
    look: Look, environment: Mapping[str, str] | None, embedded: Embedded
) -> list[Finding]:
    """Findings on everything that could answer agents.

    Args:
        environment: that of Ollama's process; None where we may not see it.
    """
    findings = [ollama_finding(look)]
    if look.ollama is not None:
        findings.append(ollama_settings_finding(environment))
    needed = look.ollama is None or not look.ollama.models
    return [*findings, embedded_finding(embedded, needed=needed)]


def ollama_finding(look: Look) -> Finding:
    """Whether an Ollama answers, and has models."""
    if look.ollama is None:
        meaning = "a fleet without backends of its own uses the embedded LLM"
        return Finding("ollama", Level.NOTE, look.reason, meaning, "to use an Ollama: ollama serve")
    ollama = look.ollama
    found = f"version {ollama.version} at {ollama.address}, {_models(ollama)}"
    if not ollama.models:
        meaning = "it cannot answer anything; a fleet uses the embedded LLM instead"
        return Finding("ollama", Level.NOTE, found, meaning, f"ollama pull {SMALL_MODEL}")
    meaning = "a fleet without backends of its own uses it"
    return Finding("ollama", Level.OK, found, meaning)


def _models(ollama: Ollama) -> str:
    if not ollama.models:
        return "no models"
    shown = ", ".join(ollama.models[:_SHOWN_MODELS])
    rest = len(ollama.models) - _SHOWN_MODELS
    loaded = f"; loaded: {', '.join(ollama.running)}" if ollama.running else "; none loaded"
    return f"models: {shown}{f' and {rest} more' if rest > 0 else ''}{loaded}"


def ollama_settings_finding(environment: Mapping[str, str] | None) -> Finding:
    """How Ollama was told to work, from the environment of its process."""
    if environment is None:
        return Finding(
            "ollama settings",
            Level.NOTE,
            "its process cannot be seen (another user's, or another machine's)",
            "how many calls it works on at once is not known",
            "sudo sutazai doctor, or: systemctl show ollama --property=Environment",
        )
    given = [f"{name}={environment[name]}" for name in _SETTINGS if environment.get(name)]
    found = ", ".join(given) or "none: all as Ollama decides"
    slots = environment.get("OLLAMA_NUM_PARALLEL", "")
    if slots.isdecimal() and int(slots) > 0:
        meaning = f"it works on {slots} calls at once, and queues more without telling"
        fix = f"a backend that declares it should say the same: slots: {slots}"
        return Finding("ollama settings", Level.OK, found, meaning, fix)
    meaning = "how many calls it works on at once is its own choice, and may change"
    fix = "set OLLAMA_NUM_PARALLEL=2 for its service, and slots: 2 in the fleet file"
    return Finding("ollama settings", Level.NOTE, found, meaning, fix)


def embedded_finding(embedded: Embedded, *, needed: bool) -> Finding:
    """Whether the embedded LLM could start.

    Args:
        needed: whether nothing else is there to answer.
    """
    level = Level.PROBLEM if needed else Level.NOTE
    use = "nothing answers the agents without it" if needed else "not needed while Ollama answers"
    if isinstance(embedded.model, SutazaiError):
        error = embedded.model
        fix = error.hint or ""
        fix = fix if embedded.library else f"pip install 'sutazai[llm]', and {fix}"
        return Finding("embedded llm", level, error.message, use, fix)
    if not embedded.library:
        found = "its library xllamacpp is not installed"
        return Finding("embedded llm", level, found, use, "pip install 'sutazai[llm]'")
    meaning = f"starts where no Ollama answers, and takes {_memory(embedded.model, embedded)}"
    found = f"{embedded.model.name}, {format_size(embedded.model.head.size)}"
    return Finding("embedded llm", Level.OK, found, meaning)


def _memory(model: Model, embedded: Embedded) -> str:
    settings = embedded.settings
    needs = estimate(
        model.head,
        slots=settings.slots,
        context=settings.context,
        prompt_cache=settings.prompt_cache,
    )
    slots = f"{settings.slots} slots of {settings.context} tokens"
    return f"up to {format_size(needs.total)} with {slots}"
