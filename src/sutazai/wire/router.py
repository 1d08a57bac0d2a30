"""Which handler serves which path."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from sutazai.fleet.errors import NotFound, SutazaiError
from sutazai.wire.messages import Handler, Request, Response, error_response

ANY = "ANY"


class MethodNotAllowed(NotFound):
    http_status = 405


_Route = tuple[Handler, tuple[str, ...]]
"""A handler, and the names in its pattern."""


@dataclass(slots=True)
class _Node:
    """What can follow a path's beginning: a literal segment, any segment, or any remainder."""

    literals: dict[str, _Node] = field(default_factory=dict)
    segment: _Node | None = None
    remainder: _Node | None = None
    routes: dict[str, _Route] = field(default_factory=dict)


class Router:
    """A handler that chooses among handlers by method and path.

    Patterns are paths with ``{name}`` for one segment, which is percent-decoded, and as the last
    segment ``{name...}`` for the remainder, which is given as sent, slashes and all, so that it can
    be passed on. Of the patterns that take the method, a literal segment wins over a name, and that
    over a remainder. A route of the method ``ANY`` takes those without one of their own, and a GET
    serves HEAD too.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self._plain: dict[str, dict[str, Handler]] = {}  # by path and method, where no name is

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Serve ``method`` on ``pattern``. Raises ValueError for a pattern that means nothing."""
        if not pattern.startswith("/"):
            raise ValueError(f"a pattern starts with a slash: {pattern}")
        node = self._root
        names: list[str] = []
        for segment in pattern[1:].split("/"):
            if names and names[-1].endswith("..."):
                raise ValueError(f"only the last segment takes a remainder: {pattern}")
            node, name = _descend(node, segment)
            names += [name] if name else []
        if method in node.routes:
            raise ValueError(f"{method} {pattern} is served already")
        node.routes[method] = (handler, tuple(name.removesuffix("...") for name in names))
        if not names:
            self._plain.setdefault(pattern, {})[method] = handler

    async def __call__(self, request: Request) -> Response:
        """The chosen handler's answer; its SutazaiErrors, 404 and 405 as JSON."""
        try:
            return await self.choose(request)(request)
        except SutazaiError as error:
            return error_response(error)

    def choose(self, request: Request) -> Handler:
        """The handler of ``request``, which is given its params. Raises NotFound.

        For who does without the turn that errors into answers here, as a `Server` does it too.
        """
        plain = self._plain.get(request.target)
        if plain is not None and (handler := plain.get(request.method)) is not None:
            return handler
        segments = request.raw_path.split("/")[1:]  # none for the target *
        search = _Search(request.method, segments)
        route = search.below(self._root, 0) if segments else None
        if route is None:
            raise search.failure(request.raw_path)
        handler, names = route
        if names:
            request.params = dict(zip(names, search.values, strict=True))
        return handler


class _Search:
    """One path's way through the tree; ``values`` is what the names on it stand for."""

    __slots__ = ("_allowed", "_method", "_segments", "values")

    def __init__(self, method: str, segments: list[str]) -> None:
        self._method = method
        self._segments = segments
        self._allowed: set[str] = set()
        self.values: list[str] = []

    def below(self, node: _Node, at: int) -> _Route | None:
        """The route for the segments from ``at`` on, the nearest that takes the method."""
        if at == len(self._segments):
            return self._here(node)
        segment = self._segments[at]
        literal = node.literals.get(segment)
        if literal is not None and (route := self.below(literal, at + 1)) is not None:
            return route
        if node.segment is not None and segment:
            self.values.append(unquote(segment))
            if (route := self.below(node.segment, at + 1)) is not None:
                return route
            self.values.pop()
        if node.remainder is not None and (route := self._here(node.remainder)) is not None:
            self.values.append("/".join(self._segments[at:]))
            return route
        return None

    def failure(self, path: str) -> NotFound:
        """Why there is no route."""
        if not self._allowed:
            return NotFound(f"there is no {path}")
        allowed = ", ".join(sorted(self._allowed))
        return MethodNotAllowed(f"{path} does not take {self._method}", hint=f"it takes {allowed}")

    def _here(self, node: _Node) -> _Route | None:
        routes, method = node.routes, self._method
        route = routes.get(method)
        if route is None and method == "HEAD":
            route = routes.get("GET")
        if route is None:
            route = routes.get(ANY)
        if route is None:
            self._allowed.update(routes)
        return route


def _descend(node: _Node, segment: str) -> tuple[_Node, str]:
    """The node after ``segment`` of a pattern, made where it is new, and the name in it."""
    if not (segment.startswith("{") and segment.endswith("}")):
        return node.literals.setdefault(segment, _Node()), ""
    name = segment[1:-1]
    if name.endswith("..."):
        node.remainder = node.remainder or _Node()
        return node.remainder, name
    node.segment = node.segment or _Node()
    return node.segment, name
