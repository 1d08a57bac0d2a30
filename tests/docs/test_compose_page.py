"""The example of the page on Compose is what `sutazai import` makes."""

from __future__ import annotations

from pathlib import Path

from sutazai.fleet.compose import convert
from tests.docs.test_examples import BLOCK

PAGE = Path(__file__).parents[2] / "docs" / "compose.md"


def test_the_example_is_what_import_makes() -> None:
    compose, fleet = [text for kind, text in BLOCK.findall(PAGE.read_text()) if kind == "yaml"]

    made = convert(compose, file="docker-compose.yml", project="shop").text

    assert made[made.index("name:") :] == fleet
