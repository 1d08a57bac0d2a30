"""What is wrong with a workflow is said with its place, before anything starts."""

from __future__ import annotations

import pytest

from sutazai.fleet.checks import check_fleet
from sutazai.fleet.errors import BadFleet
from sutazai.fleet.fit import Machine
from sutazai.fleet.load import parse

MACHINE = Machine(memory=64 * 1024**3, cores=16)
HEAD = """\
name: flows
catalogue: [planner, executor, reviewer]
workflows:
  book:
    steps:
"""
GOOD = """\
      - name: plan
        agent: planner
        input: Plan ${input.topic}.
        schema: {type: object, properties: {parts: {type: array}}}
      - name: write
        agent: executor
        map: ${steps.plan.output.parts}
        input: "${number} of ${steps.plan.output.parts}: ${item.title}"
        artifact: work/${number}.md
      - name: join
        agent: executor
        input: [ "${steps.write.output.0}", "${steps.review.output}", "${steps.join.output}" ]
      - name: review
        agent: reviewer
        input: ${steps.join.output}
        repeat: {from: join, until: "${steps.review.output.good} or ${round} == 3"}
      - name: sign
        approval: Publish ${steps.join.output}?
        timeout: 1d
      - name: publish
        agent: executor
        input: ${run}
        when: ${steps.sign.output.comment} != "wait"
"""


def problems(text: str) -> list[str]:
    loaded = parse(text, file="fleet.yaml")
    found = check_fleet(loaded.fleet, MACHINE, loaded.positions)
    return [
        f"{problem.line}: {problem.message} → {problem.hint}"
        for problem in found
        if problem.path.startswith("workflows")
    ]


def test_a_good_workflow_has_no_problems() -> None:
    assert problems(HEAD + GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "agent: planner",
            "agent: planer",
            "7: there is no agent `planer` → did you mean `planner`?",
        ),
        (
            "agent: planner",
            "capability: planing",
            "7: no agent has capability `planing` → did you mean `planning`?",
        ),
        (
            "map: ${steps.plan.output.parts}",
            "map: ${steps.plam.output}",
            "12: `${steps.plam.output}`: there is no step `plam` → did you mean `plan`?",
        ),
        (
            "map: ${steps.plan.output.parts}",
            "map: ${steps.plan.output.part}",
            "12: `${steps.plan.output.part}`: the schema of `plan` has no `part`"
            " → did you mean `parts`?",
        ),
        (
            "${steps.write.output.0}",
            "${steps.write.output.x}",
            "17: `${steps.write.output.x}`: the output of `write` is a list"
            " → a number, from 0, comes first",
        ),
        (
            "Plan ${input.topic}.",
            "Plan ${steps.write.output}.",
            "8: `${steps.write.output}`: step `write` comes later"
            " → a step knows those before it, and those of its loop",
        ),
        (
            "Plan ${input.topic}.",
            "Plan ${item}.",
            "8: `${item}`: there is no `item` here → it is for `input` and `artifact` of a step"
            " with `map`",
        ),
        (
            "Plan ${input.topic}.",
            "Plan ${inputs.topic}.",
            "8: `${inputs.topic}`: there is no `inputs` → did you mean `input`?",
        ),
        (
            "work/${number}.md",
            "work/all.md",
            "14: all items would be written to one file → put `${number}` into its name",
        ),
        (
            "from: join",
            "from: sign",
            "21: step `sign` comes later → a loop begins with this step, or with one before it",
        ),
        (
            "name: publish",
            "name: plan",
            "25: there are two steps `plan` → give one of them another name",
        ),
        (
            "        timeout: 1d\n",
            "        repeat: {from: review, until: 'true'}\n",
            "24: this loop overlaps that of `review` → loops follow each other",
        ),
        (
            "${steps.sign.output.comment}",
            "${steps.sign.output.coment}",
            "28: `${steps.sign.output.coment}`: the schema of `sign` has no `coment`"
            " → did you mean `comment`?",
        ),
    ],
)
def test_a_mistake_is_found_where_it_stands(old: str, new: str, problem: str) -> None:
    assert old in GOOD
    assert problem in problems(HEAD + GOOD.replace(old, new, 1))


def test_the_name_of_the_built_in_workflow_is_taken() -> None:
    found = problems((HEAD + GOOD).replace("book:", "standard:"))
    assert found == [
        "4: `standard` is the name of the workflow that is built in → choose another name"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('or ${round} == 3"', 'or ${round} = 3"', "`= 3` is not understood"),
        ("Plan ${input.topic}.", "Plan ${input topic}.", "`input topic` is no path"),
        ("map: ${steps.plan.output.parts}", "map: parts", "expected the path of a list"),
        ("work/${number}.md", "../${number}.md", "below the run's folder"),
        ("{type: array}", "{type: arrow}", "no `type` that is known"),
        ("agent: planner", "approval: Well?", "`input` has no use where a person is asked"),
        ("agent: planner", "retries: 1", "exactly one of"),
        ("        input: ${run}\n", "", "step `publish` has no `input`"),
    ],
)
def test_what_no_step_can_say_is_refused(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(BadFleet) as caught:
        parse(HEAD + GOOD.replace(old, new, 1), file="fleet.yaml")
    assert message in str(caught.value)
