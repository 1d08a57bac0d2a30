"""The recent past of one series, as much as a window needs. Pure.

A track keeps about `POINTS` points whatever the pace of samples, so a window's start is met to a
thirtieth of its length.
"""

from __future__ import annotations

from collections import deque

POINTS = 30


class Track:
    """One series over a window.

    Args:
        window: seconds that it looks back.
        counter: whether the value only grows, so that a fall is a restart from zero.
    """

    __slots__ = ("_counter", "_level", "_newest", "_points", "_raw", "_window")

    def __init__(self, window: float, at: float, value: float, *, counter: bool) -> None:
        self._window = window
        self._counter = counter
        self._raw = value
        self._level = 0.0 if counter else value
        self._newest = (at, self._level)
        self._points: deque[tuple[float, float]] = deque([self._newest])

    @property
    def seen(self) -> float:
        """When its last value came."""
        return self._newest[0]

    @property
    def covered(self) -> float:
        """Seconds from the oldest point that counts to the newest."""
        return self._newest[0] - self._points[0][0]

    @property
    def change(self) -> float:
        """How much it grew over what is covered; restarts of a counter are made up for."""
        return self._newest[1] - self._points[0][1]

    def add(self, at: float, value: float) -> None:
        """The value at a later time."""
        if self._counter:
            self._level += value - self._raw if value >= self._raw else value
        else:
            self._level = value
        self._raw = value
        if self._newest[0] - self._points[-1][0] >= self._window / POINTS:
            self._points.append(self._newest)
        self._newest = (at, self._level)
        self.pass_by(at)

    def pass_by(self, now: float) -> None:
        """Forgets what is older than the window, but for the one point at which it begins."""
        while len(self._points) > 1 and self._points[1][0] <= now - self._window:
            self._points.popleft()
