"""Judges evidence: one question a line on standard input, one answer a line on standard output.

It ends with its input, so it never outlives the process that asks. What is not a question ends it
with an error, which the asking side shows.
"""

from __future__ import annotations

import sys

from sutazai.rollout.evidence.judging import judge
from sutazai.rollout.evidence.lines import ANSWER, QUESTION


def main() -> None:
    for line in sys.stdin.buffer:
        question = QUESTION.validate_json(line)
        answer = judge(question.criteria, question.evidence)
        sys.stdout.buffer.write(ANSWER.dump_json(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
