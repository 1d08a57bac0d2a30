"""What is no Compose file is refused, with every place and reason."""

from __future__ import annotations

import pytest

from sutazai.fleet.compose import convert
from sutazai.fleet.errors import BadInput
from tests.fleet.compose.imports import SMALL, refusal

APP = "services:\n  app:\n    image: x\n"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", (1, 1), "the file is empty"),
        ("# nothing\n", (1, 1), "the file is empty"),
        ("services: [a\n", (1, 11), "is missing"),
        ("services:\n\tapp: {}\n", (2, 1), "tab"),
        ("just text\n", (1, 1), "must be keys with values, not text"),
        ("- a\n- b\n", (1, 1), "must be keys with values, not a list"),
        ("version: '3'\n", (1, 1), "`services` is missing"),
        ("service: {}\n", (1, 1), "`services` is missing"),
        ("services: 5\n", (1, 11), "must be services by name, not a whole number"),
        ("services: {}\n", (1, 11), "`services` is empty"),
        ("services:\n  app: nginx\n", (2, 8), "service `app` must be keys with values"),
        ("services:\n  app: {}\n", (2, 8), "neither `image` nor `build`"),
        (f"{APP}    ports: 80\n", (4, 12), "`ports` must be a list, not a whole number"),
        (f"{APP}    environment: 1\n", (4, 18), "keys with values or a list"),
        (f"{APP}    deploy: {{resources: [x]}}\n", (4, 25), "`deploy.resources` must be keys"),
        (f"{APP}    depends_on: [db]\n", (4, 18), "there is no service `db`"),
        (f"{APP}    extends: nobody\n", (4, 14), "names no service of this file"),
        (f"{APP}    extends: app\n", (4, 14), "extends itself"),
        (f"{APP}    image: y\n", (4, 5), "stands here twice"),
        (f"{APP}---\na: b\n", (4, 1), "a Compose file is one document only"),
        (f"{APP}    ports: !reset []\n", (4, 12), "means nothing in a Compose file"),
        (f"{APP}    <<: *nothing\n", (4, 9), "`*nothing` stands for nothing"),
    ],
)
def test_a_bad_file_is_refused_at_its_place(text: str, place: tuple[int, int], reason: str) -> None:
    error = refusal(text)

    (problem,) = error.data["problems"]
    assert reason in problem["message"]
    assert (problem["line"], problem["column"]) == place
    assert error.exit_code == 2


def test_a_circle_is_refused_and_shown() -> None:
    services = {"a": "b", "b": "c", "c": "a", "d": "a"}
    text = "services:\n" + "".join(
        f"  {name}: {{image: x, depends_on: [{needed}]}}\n" for name, needed in services.items()
    )

    (problem,) = refusal(text).data["problems"]

    assert "wait for each other" in problem["message"]
    assert "a → b → c → a" in problem["message"]
    assert problem["line"] == 2


def test_every_mistake_is_told_at_once() -> None:
    text = "services:\n  a: {image: 1, ports: x}\n  b: {image: x, volumes: 3}\n"

    assert len(refusal(text).data["problems"]) == 3


def test_agents_that_the_file_does_not_have_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(BadInput) as caught:
        convert(SMALL.read_text(), file="f", project="p", agents=["crawler-agnet"])

    assert "`crawler-agnet`" in str(caught.value)
    assert caught.value.hint == "did you mean `crawler-agent`?"
