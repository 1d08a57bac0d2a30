"""What calls cost, in seconds of a slot, as measured on each backend. Pure.

A prompt's token costs what the backend took to read one, an answer's what it took to write one:
moving means of what calls took there. Tokens that the backend had in its cache cost nothing. Before
anything was measured, a token read counts a tenth of a token written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sutazai.gateway.dialects.neutral import Usage

SHARE = 0.1
"""Weight of the latest call in the means."""

FIRST_WRITE = 0.05
FIRST_READ = FIRST_WRITE / 10
"""Seconds a token before anything was measured."""

CLIENTS_MAX = 10_000


@dataclass(slots=True)
class _Rates:
    read: float = FIRST_READ
    write: float = FIRST_WRITE
    measured: bool = False


class _Means(dict[str, float]):
    """What a call costs, by client: a second where nothing was measured."""

    def __missing__(self, client: str) -> float:
        return 1.0


class Costs:
    """Learns from calls what a token costs where, and what a client's calls cost on the whole."""

    def __init__(self) -> None:
        self._rates: dict[tuple[str, str], _Rates] = {}
        self._means = _Means()
        self.expected: Callable[[str], float] = self._means.__getitem__
        """What the next call of a client will cost, as its calls did before."""

    def ended(
        self,
        client: str,
        backend: str,
        model: str,
        usage: Usage,
        reading: float,
        writing: float,
    ) -> float:
        """A call took ``reading`` seconds to its first token, ``writing`` from there to its end;
        gives what it cost."""
        rates = self._rates.get((backend, model))
        if rates is None:
            rates = self._rates[backend, model] = _Rates()
        read = max(usage.prompt_tokens - usage.cached_tokens, 0)
        written = usage.completion_tokens
        share = SHARE if rates.measured else 1.0
        if read >= 16:  # fewer tell more of the way there than of the reading
            rates.read += (reading / read - rates.read) * share
        if written > 1 and writing > 0:
            rates.write += (writing / (written - 1) - rates.write) * share
            rates.measured = True
        cost = read * rates.read + written * rates.write
        if not cost:  # a backend that counts nothing
            cost = reading + writing
        mean = self._means.get(client)
        if mean is None and len(self._means) >= CLIENTS_MAX:
            self._means.clear()
        self._means[client] = cost if mean is None else mean + (cost - mean) * SHARE
        return cost
