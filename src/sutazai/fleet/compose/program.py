"""What a unit runs: its image, and the words of its command."""

from __future__ import annotations

import shlex

from sutazai.fleet.compose.around import Around
from sutazai.fleet.compose.secrecy import without_secrets
from sutazai.fleet.compose.source import ComposeService, Node


def image_of(service: ComposeService, around: Around) -> str:
    """The image, or what Compose calls the one that it builds."""
    image, build = service.find("image"), service.find("build")
    name = around.plain(image) if image else ""
    if image is not None and not name:
        around.findings.note(image.path, "this image has no name", "name one in the fleet file")
    if build is not None:
        around.findings.note(
            build.path,
            "a fleet builds no images: `build` is not carried over",
            "run `docker compose build`; the fleet file names what that makes",
            at_key=True,
        )
    return name or f"{around.project}-{service.name.lower()}"


def words_of(key: str, service: ComposeService, around: Around) -> list[str]:
    """The words of ``entrypoint`` or ``command``."""
    node = service.find(key)
    if node is None:
        return []
    if isinstance(node.value, list):
        words = [around.plain(item) for item in node.items()]
    else:
        try:
            words = shlex.split(around.plain(node))
        except ValueError:
            hint = "write it as a list, one word each"
            around.findings.note(node.path, "this is left out: a quote is never closed", hint)
            return []
    return _without_secrets(words, node, service, around)


def _without_secrets(
    words: list[str], node: Node, service: ComposeService, around: Around
) -> list[str]:
    """Secrets among the words replaced by a variable's name, for the fleet file keeps none."""
    prefix = around.names[service.name]

    def name_for(what: str, secret: str) -> str:
        name = around.variables.for_secret(prefix, f"{prefix}_{what}", secret)
        around.findings.note(
            node.path,
            f"a secret stands in this command; the fleet file says `${{{name}}}` instead",
            "commands resolve nothing: hand it over in `environment`, which does",
        )
        return name

    return without_secrets(words, name_for)
