"""Writes docs/fleet-file.md: ``python -m sutazai.fleet.reference > docs/fleet-file.md``."""

from __future__ import annotations

import json
import sys
from typing import Any

from sutazai.fleet import catalogue
from sutazai.fleet.ports import GROWTH, RESERVED, RUNTIME_POOLS
from sutazai.fleet.profiles import profile_names, profile_text
from sutazai.fleet.schema import fleet_schema
from sutazai.fleet.spec import MEMORY_CLASSES, RESERVATION
from sutazai.fleet.units import DURATION_PATTERN, SIZE_PATTERN, format_size

_SECTIONS = (
    "agents", "services", "backends", "tiers", "clients", "llm", "gateway", "tasks",
    "workflows", "schedules", "messages",
    "bus", "rollout", "criteria", "alerts", "objectives", "notify", "drift", "logs", "metrics",
    "tracing", "checkpoints", "ports", "memory", "isolation",
)  # fmt: skip
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
_PATTERNS = {SIZE_PATTERN: "size", DURATION_PATTERN: "duration"}

_INTRODUCTION = """\
<!-- Written by `make docs` from the schema and the profiles; do not edit. -->
# The fleet file

A fleet is declared in one YAML file, `fleet.yaml`. `sutazai init` writes a commented one to start
from, `sutazai check` says what is wrong with it and how to put it right, and `sutazai schema`
prints its JSON Schema for editors. Unknown keys are refused. A key without a value counts as not
written.

A folder can be named in place of a file: all its `*.yaml` are then read as one fleet. Sections are
joined, and what two files declare is refused with both places. Paths count from the folder. What
one machine has otherwise stands in an [overlay](#overlays).

Sizes are a number with `B`, `KiB`, `MiB`, `GiB` or `TiB`, durations one with `ms`, `s`, `m`, `h`
or `d`; the unit is never left out. Names are lower-case letters, digits and single dashes. Anchors,
aliases and `<<` may be used to say things once.
"""

_CATALOGUE = """\
## The catalogue

SutazAI comes with {count} agents. `catalogue: all` takes them all in; a list takes groups and
single agents. An entry of the same name under `agents` changes single keys of a built-in agent:
`health` and `sampling` key by key, any other as a whole. With another `runtime`, what only the old
one used (`prompt`, `class`, `options`, `command`) is left out. A lead that is not taken in is left
out, too.

| group | agents |
|---|---|
{groups}
"""

_RULES = """\
## Overlays

`overlays/HOSTNAME.yaml`, beside the fleet file or in the folder of its parts, is laid over it on
the machine of that name; the name up to its first dot will do. `--overlay NAME`, or
`SUTAZAI_OVERLAY`, takes another one, which must be there, and `none` takes none.

```yaml
memory: {{total: 256GiB}}
agents:
  planner:
    replicas: 4
    depends_on: [redis]
  scraper:
```

- Keys are merged one by one, at every depth.
- Everything else is replaced as a whole, lists too.
- A key without a value takes away what the fleet file says there: this machine has no `scraper`.
- The `name` stays, and paths still count from the fleet file's folder.

Keys are checked as in the fleet file, and problems are told with the overlay's line.
`sutazai check` says which overlay it took.

## Ports

An agent with a `port` keeps it. The others get the lowest free one from `ports.agents_first` to
`ports.agents_last`, in the order in which they are declared, and from {growth} up where that is not
enough. Ports {pools} and {reserved} are never given. `sutazai up --port-base N` moves every
port of the fleet together, so that the control plane's is N.

## Secrets

`${{NAME}}`, also within a text, stands for an environment variable; `file:PATH` for the content of
a file; `$${{` for a plain `${{`. They are read when they are needed, and never stored or printed.

## Memory

One instance may take what its `memory` says, a size or a class:

{classes}

An agent counts with {reservation} in the plan, or less where its class is smaller; a service counts
in full. What always runs (hot agents, enabled services, the embedded LLM with its context and
prompt cache, SutazAI itself and the reserve) must fit the machine, and each pool its bound. A
`remote` unit counts where its address is on this machine.

## The hierarchy

As soon as one agent has a `lead`, workers speak with their lead only, leads with their workers and
with all orchestrators, and orchestrators with one another. Without any lead everyone speaks with
everyone.

## What is checked

These are refused:

- two that want one port, and a `url` that leads back to the fleet's own ports;
- names that nothing has, in `depends_on`, `lead`, `tier` and `backends`;
- circles of `depends_on` or `lead`, and a lead that is a worker;
- steps of a workflow that use what comes later or does not exist, and loops that overlap;
- schedules by a clock or for somebody that is not there;
- waiting for a service that is not enabled;
- a volume that would hand a container the container engine itself;
- keys that the runtime does not use, and a key itself in `api_key`;
- alerts that suppress each other or what is not there, and a target's `url` that is no reference;
- a fleet that does not fit: memory, a pool, or four times the cores there are.

With these a fleet starts, and says so:

- workers without a lead where others have one;
- more cores wanted than there are;
- more hot agents than LLM slots;
- pools that cannot all be full at once;
- alerts on metrics that SutazAI does not tell.
"""


def reference() -> str:
    """The whole page in Markdown."""
    schema = fleet_schema()
    parts = [_INTRODUCTION, _example(), "## Top level\n", _table(schema, schema)]
    for section in _SECTIONS:
        parts += _section(section, schema["properties"][section], schema)
    parts += [_catalogue(), _rules(), _profiles()]
    return "\n".join(parts)


def _example() -> str:
    return f"## An example\n\n```yaml\n{profile_text('small')}```\n"


def _section(path: str, node: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """The section of the models at ``path``, and those of what they hold."""
    suffix, reference = _held(node)
    model = _resolve(reference, schema)
    path += suffix
    parts = [f"## `{path}`\n", f"{model['description']}\n", _table(model, schema)]
    for key, child in model["properties"].items():
        if _is_model(child, schema):
            parts += _section(f"{path}.{key}", child, schema)
    return parts


def _held(node: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What ``node`` holds one or several of, and how that is shown in a path."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _held(choice)
    for entry in node.get("patternProperties", {}).values():
        return ".NAME", entry
    if isinstance(node.get("additionalProperties"), dict):
        return ".NAME", node["additionalProperties"]
    return ("[]", node["items"]) if "items" in node else ("", node)


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return model


def _is_model(node: dict[str, Any], schema: dict[str, Any]) -> bool:
    held = _held(node)[1]
    return "$ref" in held and "properties" in _resolve(held, schema)


def _table(model: dict[str, Any], schema: dict[str, Any]) -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, node in model["properties"].items():
        default = "must be given" if key in model.get("required", ()) else _default(node)
        cells = (f"`{key}`", _kind(node, schema), default, _meaning(node, schema))
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _default(node: dict[str, Any]) -> str:
    default = node.get("default")
    if default is None or default in ("", []):
        return ""
    if isinstance(default, list) and isinstance(default[0], dict):
        return f"{len(default)} of them"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def _meaning(node: dict[str, Any], schema: dict[str, Any]) -> str:
    described = node if "description" in node else _resolve(_held(node)[1], schema)
    return str(described["description"])


def _kind(node: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a key may hold, in a few words."""
    if "$ref" in node:
        target = _resolve(node, schema)
        return _choices(target["enum"]) if "enum" in target else "keys, see below"
    if "anyOf" in node:
        kinds = [_kind(each, schema) for each in node["anyOf"] if each.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in node or "const" in node:
        return _choices(node.get("enum") or [node["const"]])
    if "type" not in node:
        return "any value"
    if node["type"] == "array":
        if _is_model(node, schema):
            return "list, see below"
        numbers = node.get("items", {}).get("type") == "integer"
        return "list of numbers" if numbers else "list of texts"
    if node["type"] == "object":
        return _map_kind(node, schema)
    return _scalar_kind(node)


def _map_kind(node: dict[str, Any], schema: dict[str, Any]) -> str:
    if "patternProperties" in node or _is_model(node, schema):
        return "by name, see below"
    values = node.get("additionalProperties")
    return f"{_kind(values, schema)}s by name" if isinstance(values, dict) else "any keys"


def _scalar_kind(node: dict[str, Any]) -> str:
    if node["type"] == "string":
        return _PATTERNS.get(node.get("pattern", ""), "text")
    if node["type"] == "boolean":
        return "`true`, `false`"
    kind = "whole number" if node["type"] == "integer" else "number"
    bounds = [f"{words} {node[key]}" for key, words in _BOUNDS.items() if key in node]
    return ", ".join([kind, *bounds])


def _choices(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _catalogue() -> str:
    groups = catalogue.groups()
    rows = "\n".join(f"| `{group}` | {', '.join(names)} |" for group, names in groups.items())
    return _CATALOGUE.format(count=sum(map(len, groups.values())), groups=rows)


def _rules() -> str:
    classes = "\n".join(f"- `{name}`: {format_size(size)}" for name, size in MEMORY_CLASSES.items())
    return _RULES.format(
        growth=GROWTH,
        pools=f"{RUNTIME_POOLS.start}-{RUNTIME_POOLS.stop - 1}",
        reserved=f"{RESERVED.start}-{RESERVED.stop - 1}",
        classes=classes,
        reservation=format_size(RESERVATION),
    )


def _profiles() -> str:
    lines = ["## Profiles", "", "`sutazai init --profile NAME` writes one of these:", ""]
    for name in profile_names():
        first = profile_text(name).splitlines()[0].lstrip("# ")
        lines.append(f"- `{name}`: {first}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
