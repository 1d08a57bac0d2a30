"""How many tokens a prompt has, guessed from its characters. Pure.

Tokenizers differ, and none is at hand for most models. So ASCII and other characters count by two
rates per model, which begin as what common tokenizers need and follow what backends report for
prompts that they have read in full. An estimate says by which share it may be wrong: half at the
beginning, 5 % at best.

Measured on prompts of 300 to 5,000 characters, each of one kind out of prose, Python, JSON and
Chinese in turn: for cl100k the mean error is 7.5 %, 22 % is stated, and 98 % of the prompts are
within that; for SmolLM2 it is 11.5 %, 35 % and 97 %. Prompts of a kind of their own (long numbers,
base64) may need twice as many tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

PER_ASCII, PER_OTHER = 0.26, 0.9
"""Tokens a character before anything is known. Measured with cl100k: English 0.23, Python 0.24,
JSON 0.31; Russian 0.5, Arabic 0.8, Korean, Chinese and Japanese 1.0 to 1.1."""

PER_IMAGE = 768
"""Tokens of an image. Models take from 85 to several thousand; this is what Ollama counts."""

LOWEST, HIGHEST = 0.4, 4.0
"""Bounds of a learned rate, in parts of the first one."""

FIRST_ERROR, LEAST_ERROR, LARGEST_ERROR = 0.5, 0.05, 0.8

LEARN_FROM = 200
"""Tokens of the shortest prompt that is learned from: in shorter ones the template weighs more than
the text."""

_ERROR_IN_DEVIATIONS = 3.0  # of the mean absolute deviation
_FIRST_WEIGHT = 4  # how many prompts the first error weighs
_SHARE = 0.1  # weight of the latest prompt
_DEVIATION_SHARE = 0.05
_LOW = -0.15  # so far below what is expected, a report may leave out what the server had cached
_DOUBT = 0.25  # weight of such reports
_STEP_MAX = 0.5  # more than this part of what is expected is nothing usual
_USUAL_AFTER = 8  # prompts after which it is known what is usual
_NO_LEADS = bytes(range(0xC0))  # bytes that do not begin a character beyond ASCII


@dataclass(frozen=True, slots=True)
class Estimate:
    """About so many ``tokens``; ``error`` is the share by which that may be wrong."""

    tokens: int
    error: float

    @property
    def low(self) -> int:
        """As few as it may be."""
        return int(self.tokens / (1 + self.error))

    @property
    def high(self) -> int:
        """As many as it may be."""
        return math.ceil(self.tokens * (1 + self.error))


class _Rates:
    """What is known of one model: both rates in parts of the first ones."""

    __slots__ = ("ascii", "deviation", "other", "seen")

    def __init__(self) -> None:
        self.ascii = self.other = 1.0
        self.deviation = FIRST_ERROR / _ERROR_IN_DEVIATIONS
        self.seen = 0

    def tokens(self, ascii_part: float, other_part: float) -> float:
        return self.ascii * ascii_part + self.other * other_part

    @property
    def error(self) -> float:
        return min(max(self.deviation * _ERROR_IN_DEVIATIONS, LEAST_ERROR), LARGEST_ERROR)


class Estimator:
    """Estimates prompts, each model by what was learned of it."""

    def __init__(self) -> None:
        self._rates: dict[str, _Rates] = {}

    def estimate(self, model: str, chars: int, non_ascii: int = 0, images: int = 0) -> Estimate:
        """Of a prompt of ``chars`` characters, ``non_ascii`` of which are no ASCII, and images."""
        rates = self._rates.get(model) or _UNKNOWN
        tokens = rates.tokens(*_parts(chars, non_ascii)) + images * PER_IMAGE
        return Estimate(math.ceil(tokens), rates.error)

    def tokens(self, model: str, chars: int, non_ascii: int = 0) -> int:
        """The estimate alone."""
        return self.estimate(model, chars, non_ascii).tokens

    def learn(self, model: str, chars: int, non_ascii: int, reported: int) -> None:
        """A backend read a prompt without images as ``reported`` tokens.

        To be told only of reports that `cut.judge` finds whole. What is far off all the same
        changes nothing.
        """
        rates = self._rates.setdefault(model, _Rates())
        parts = _parts(chars, non_ascii)
        expected = rates.tokens(*parts)
        if expected < LEARN_FROM or not LOWEST < reported / expected < HIGHEST:
            return
        _adjust(rates, parts, expected, reported)

    def forget(self, model: str) -> None:
        """The model is gone, or another one has its name."""
        self._rates.pop(model, None)


_UNKNOWN = _Rates()


def non_ascii_in(raw: bytes) -> int:
    """How many characters of a JSON text in UTF-8 are not ASCII, written out or as ``\\u…``."""
    escaped = raw.count(b"\\u")
    return escaped if raw.isascii() else escaped + len(raw.translate(None, _NO_LEADS))


def _parts(chars: int, non_ascii: int) -> tuple[float, float]:
    """The tokens of both kinds of characters at the first rates."""
    others = min(max(non_ascii, 0), chars)
    return max(chars - others, 0) * PER_ASCII, others * PER_OTHER


def _adjust(rates: _Rates, parts: tuple[float, float], expected: float, reported: int) -> None:
    """Moves both rates towards what was reported, each by its part in it (normalised least mean
    squares), so that prose teaches nothing about Chinese."""
    rates.seen += 1
    off = reported - expected
    weight = max(1 / rates.seen, _SHARE)
    if rates.seen > _USUAL_AFTER:
        weight *= _DOUBT if off < _LOW * expected else 1
        off = min(off, _STEP_MAX * expected)
    step = weight * off / (parts[0] ** 2 + parts[1] ** 2)
    rates.ascii = _bounded(rates.ascii + step * parts[0])
    rates.other = _bounded(rates.other + step * parts[1])
    share = max(1 / (rates.seen + _FIRST_WEIGHT), _DEVIATION_SHARE)
    rates.deviation += (min(abs(off) / expected, 1.0) - rates.deviation) * share


def _bounded(rate: float) -> float:
    return min(max(rate, LOWEST), HIGHEST)
