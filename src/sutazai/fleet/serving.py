"""What the fleet file says of models and of those who ask them: backends, tiers, queue, budgets.

The gateway's policy (`routes`) carries many of these parts as they are declared.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from sutazai.fleet.declared import Dialect, Interval, Name, Priority, Spec, wrong
from sutazai.fleet.units import Duration, Size

MIB = 1024**2
DAY = 86_400.0


class Overflow(StrEnum):
    """What happens to a call that finds the queue full."""

    REJECT = "reject"
    SHED_LOWEST = "shed-lowest"
    ANOTHER_TIER = "another-tier"


class ContextPolicy(StrEnum):
    """What happens to a prompt that is longer than the model's context."""

    REJECT = "reject"
    WINDOW = "window"
    ANOTHER_TIER = "another-tier"


class Balance(StrEnum):
    """How calls are shared out among the instances of an agent."""

    LEAST_LOADED = "least-loaded"
    ROUND_ROBIN = "round-robin"


class Budget(Spec):
    """What one key may use; without a figure there is no bound."""

    tokens_per_minute: int | None = Field(None, ge=1, description="Prompt and answer together.")
    tokens_per_day: int | None = Field(None, ge=1, description="Since midnight, UTC.")
    requests_per_minute: int | None = Field(None, ge=1, description="Calls begun.")
    concurrency: int | None = Field(None, ge=1, description="Calls at once, waiting ones too.")


class WorkBudget(Spec):
    """What one task or run may use; without a figure there is no bound."""

    tokens: int | None = Field(None, ge=1, description="Prompt and answer together.")
    calls: int | None = Field(None, ge=1, description="Calls to models.")
    time: Interval | None = Field(None, description="From its first call to its last.")


class Timeouts(Spec):
    """How long a backend may take."""

    connect: Interval = Field(5.0, description="Until a connection stands.")
    load: Interval = Field(300.0, description="More for the first token of a model not loaded.")
    first_token: Interval = Field(300.0, description="Until the first token of an answer.")
    between_tokens: Interval = Field(60.0, description="From one token to the next.")
    total: Interval = Field(900.0, description="For a whole answer, without its time in the queue.")


class Pinned(Spec):
    """How a model is loaded, whoever asks for it: no caller can have it loaded anew."""

    context: int | None = Field(None, ge=256, description="Tokens of context (`num_ctx`).")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Other options that it is loaded with (Ollama)."
    )
    keep_alive: Duration | None = Field(None, description="How long it stays loaded when idle.")


class Managed(Spec):
    """An Ollama that the fleet starts, with the settings that it should have."""

    command: str = Field("ollama", description="The program.")
    parallel: int = Field(2, ge=1, le=64, description="Generations at once (NUM_PARALLEL).")
    threads: int | None = Field(None, ge=1, description="Threads; without it, Ollama's choice.")
    loaded_models: int = Field(1, ge=1, description="Models in memory at once.")
    keep_alive: Duration = Field(1800.0, description="How long an idle model stays in memory.")
    context: int = Field(8192, ge=256, description="Tokens of context of each generation.")
    memory: Size = Field(4096 * MIB, description="What the memory plan counts for it.")


class Entra(Spec):
    """How a token for Azure OpenAI is had from Microsoft Entra (client credentials)."""

    tenant: str = Field(description="Directory of the application.")
    client: str = Field(description="The application's id.")
    secret: str = Field(description="`${VAR}` or `file:PATH`; never the secret itself.")
    authority: str = Field("https://login.microsoftonline.com", description="Who gives tokens.")
    scope: str = Field("https://cognitiveservices.azure.com/.default", description="What for.")


class Backend(Spec):
    """One LLM server."""

    url: str = Field(
        description="Base URL, as `http://127.0.0.1:11434`; of Azure OpenAI, the deployment's."
    )
    dialect: Dialect = Field(Dialect.OPENAI, description="The API it speaks.")
    slots: int | None = Field(
        None, ge=1, le=4096, description="Concurrent generations; without it, found by measuring."
    )
    weight: float = Field(1.0, gt=0, description="Share of calls beside others of its tier.")
    api_key: str | None = Field(None, description="`${VAR}` or `file:PATH`; never the key itself.")
    api_version: str | None = Field(None, description="Of Azure OpenAI's API, as `2024-10-21`.")
    entra: Entra | None = Field(None, description="Where Azure OpenAI wants a token, not a key.")
    ca: str | None = Field(None, description="File with the authority that signed its certificate.")
    models: dict[str, Pinned] = Field(
        default_factory=dict, description="How its models are loaded; others as they come."
    )
    loaded_models: int | None = Field(
        None, ge=1, description="Models it holds at once (Ollama); without it, found by watching."
    )
    managed: Managed | None = Field(None, description="Have the fleet start this Ollama.")
    timeouts: Timeouts = Field(default_factory=Timeouts)
    check: Interval | None = Field(
        None, description="Has it generate a token where nobody else did for so long."
    )

    @model_validator(mode="after")
    def _managed_is_ollama(self) -> Self:
        if self.managed is not None and self.dialect is not Dialect.OLLAMA:
            raise wrong("managed", "only a backend of dialect ollama can be managed")
        return self

    @model_validator(mode="after")
    def _azure_has_its_version(self) -> Self:
        if self.entra is not None and self.api_version is None:
            raise wrong("entra", "`entra` is for Azure OpenAI, which needs `api_version` too")
        return self


class Version(Spec):
    """One of several models behind a tier."""

    model: str = Field(description="Model to ask for.")
    backends: tuple[Name, ...] = Field((), description="Where; without any, as the tier.")
    weight: float = Field(1.0, ge=0, description="Share of tasks beside the other versions.")


class Tier(Spec):
    """A class of model: which model on which backends."""

    model: str | None = Field(None, description="Model to ask for; without it the backend's first.")
    backends: tuple[Name, ...] = Field((), description="Where; without any, all of them.")
    versions: dict[Name, Version] = Field(
        default_factory=dict, description="Several models side by side; a task stays with one."
    )
    fallback: tuple[Name, ...] = Field(
        (), description="Tiers to try in this order where this one cannot serve a call."
    )

    @model_validator(mode="after")
    def _model_or_versions(self) -> Self:
        if self.model is not None and self.versions:
            raise wrong("versions", "a tier has `model` or `versions`, not both")
        return self


class Client(Spec):
    """Who else may call, beside the agents: a program or a person."""

    secret: str = Field(description="Its key: `${VAR}` or `file:PATH`; never the key itself.")
    priority: Priority = Field(Priority.MEDIUM, description="Rank of its calls in the queue.")
    tiers: tuple[Name, ...] = Field((), description="Tiers it may ask for; without any, all.")
    budget: Budget = Field(default_factory=Budget)
    context: ContextPolicy = Field(ContextPolicy.REJECT, description="See agents' `context`.")
    admin: bool = Field(False, description="May manage models, too.")


class EmbeddedLlm(Spec):
    """The llama.cpp server that starts where no backend is declared and no Ollama answers."""

    model: str = Field(
        "smollm2-135m-instruct",
        description="Built-in name, path of a GGUF file, or `hf:REPOSITORY/FILE` once pulled.",
    )
    threads: int | None = Field(None, ge=1, description="Threads; without it, the cores.")
    slots: int = Field(2, ge=1, le=64, description="Concurrent generations.")
    context: int = Field(4096, ge=256, description="Tokens of context of each slot.")
    prompt_cache: Size = Field(
        512 * MIB, description="Host memory for prompts seen before; counted in the memory plan."
    )
    detect_ollama: bool = Field(True, description="Use an Ollama that answers instead.")


class Queue(Spec):
    """Bounds of the gateway's queue."""

    limit: int = Field(10_000, ge=1, description="Most calls that wait.")
    size: Size = Field(512 * MIB, description="Most bytes that waiting calls hold together.")
    wait: Interval = Field(300.0, description="Longest wait of one call.")
    overflow: Overflow = Field(
        Overflow.REJECT,
        description="For a call that finds it full: `reject` it, `shed-lowest` (drop one of lower "
        "priority or of whoever has most), or `another-tier` (the tier's `fallback`).",
    )


class Cache(Spec):
    """Answers kept for calls that are the same and deterministic (temperature 0, or a seed)."""

    size: Size = Field(64 * MIB, description="Most bytes; `0B` keeps none.")
    age: Duration = Field(3600.0, description="How long an answer is good.")
    share: bool = Field(True, description="Compute equal calls that come together only once.")


class Record(Spec):
    """The record of calls."""

    age: Duration = Field(7 * DAY, description="How long calls are kept.")
    size: Size = Field(256 * MIB, description="Most bytes on disk.")
    contents: bool = Field(False, description="Keep prompts and answers too, secrets removed.")


class AutoRule(Spec):
    """When a call for the model `auto` goes to a tier; all that is given must hold."""

    tier: Name = Field(description="Where it goes.")
    words: tuple[str, ...] = Field((), description="One of these is in the newest turn.")
    longer_than: int | None = Field(None, ge=0, description="Characters of the whole prompt.")
    shorter_than: int | None = Field(None, ge=1, description="Characters of the whole prompt.")
    tools: bool | None = Field(None, description="Whether tools come with it.")


AUTO_RULES = (
    AutoRule(tier="complex", longer_than=12_000),
    AutoRule(
        tier="complex",
        words=("prove", "refactor", "architecture", "step by step", "debug", "design a"),
    ),
    AutoRule(
        tier="fast",
        shorter_than=400,
        tools=False,
        words=("classify", "translate", "summarise", "summarize", "yes or no", "extract", "label"),
    ),
)


class Gateway(Spec):
    """The data plane."""

    keyless: bool = Field(
        True, description="LLM endpoints on loopback answer without a key; agents always have one."
    )
    queue: Queue = Field(default_factory=Queue)
    cache: Cache = Field(default_factory=Cache)
    record: Record = Field(default_factory=Record)
    aliases: dict[str, str] = Field(
        default_factory=dict, description="Other names of tiers and models, as `gpt-4o: standard`."
    )
    auto: tuple[AutoRule, ...] = Field(
        AUTO_RULES, description="Rules for the model `auto`; the first that holds counts."
    )
    repeats: int | None = Field(
        20, ge=2, description="The same call so often in one task is a loop: the task is stopped."
    )
    run_budget: WorkBudget = Field(default_factory=WorkBudget, description="Bound on each run.")
