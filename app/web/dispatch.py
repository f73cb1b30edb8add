"""From a request to the handler of its route, and from an exception to a problem response.

FastAPI tries its routes in turn, behind six layers of middleware, which takes longer than most reads. Here a tree of
path segments leads to the few routes that may match, and one layer answers what they raise. FastAPI keeps the routes,
their documentation and the lifespan.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, cast

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.core.problems import MethodNotAllowed, NotFound
from app.web.problem_responses import problem_from_exception, problem_response

Handler = Callable[[Request], Awaitable[Response]]
HANDLER: Final = "handler"
"""Attribute of a route: its `Handler`, built on first use."""


class _Node:
    """A path segment: the segments that may follow it, and the routes that end with it, with their places."""

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.routes: list[tuple[int, APIRoute]] = []

    def add(self, segments: Sequence[str], place: int, route: APIRoute) -> None:
        """Add a route below this segment."""
        if not segments:
            self.routes.append((place, route))
            return
        first, *others = segments
        if "{" not in first:
            node = self.literals.setdefault(first, _Node())
        else:
            node = self.variable = self.variable or _Node()
        node.add(others, place, route)


class RouteIndex:
    """Finds the routes of a path as Starlette's router does, in a time that does not grow with their number."""

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        self._root = _Node()
        self._spanning: list[tuple[int, APIRoute]] = []  # with a variable that may contain slashes
        for place, route in enumerate(routes):
            if any(convertor.regex != "[^/]+" for convertor in route.param_convertors.values()):
                self._spanning.append((place, route))
            else:
                self._root.add(route.path.split("/"), place, route)

    def _iterate_candidates(self, path: str) -> Iterator[APIRoute]:
        """Iterate over the routes that may match, in the order in which they were added."""
        nodes = [self._root]
        for segment in path.removesuffix("\n").split("/"):  # `$` in a path's expression matches before a final newline
            following: list[_Node] = []
            for node in nodes:
                if (literal := node.literals.get(segment)) is not None:
                    following.append(literal)
                if node.variable is not None:
                    following.append(node.variable)
            nodes = following
        candidates = [entry for node in nodes for entry in node.routes] + self._spanning
        if len(candidates) > 1:
            candidates.sort(key=lambda entry: entry[0])
        for _, route in candidates:
            yield route

    def find(self, path: str, method: str) -> tuple[APIRoute, dict[str, str]] | None:
        """Return the route of a request with the values of its path's variables.

        If no route at this path has the method, it is the first route there.
        """
        other: tuple[APIRoute, dict[str, str]] | None = None
        for route in self._iterate_candidates(path):
            if match := route.path_regex.match(path):
                convertors = route.param_convertors
                values = {name: convertors[name].convert(value) for name, value in match.groupdict().items()}
                if method in (route.methods or ()):
                    return route, values
                other = other or (route, values)
        return other

    def list_methods(self, path: str) -> list[str]:
        """Return the methods of all routes at a path, for `Allow` (RFC 9110 §10.2.1)."""
        matching = (route for route in self._iterate_candidates(path) if route.path_regex.match(path))
        methods = set[str]().union(*(route.methods or () for route in matching))
        return sorted(methods | {"HEAD"} if "GET" in methods else methods)


class Dispatcher:
    """ASGI: calls the handler of a request's route, and answers every exception with a problem."""

    def __init__(self, app: FastAPI) -> None:
        """Take the routes of an app, each of which has a handler: see `LazyRoute`."""
        self.app = app
        self.index = RouteIndex(cast(Sequence[APIRoute], app.router.routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            response = await self._find_handler(scope)(Request(scope, receive))
            await response(scope, receive, send_and_note)
        except Exception as error:
            if started:
                raise
            problem = problem_from_exception(error)
            problem.__traceback__ = None  # it holds this frame: a cycle that would keep the body until it is collected
            await problem_response(problem, scope.get("request_id", ""))(scope, receive, send)

    def _find_handler(self, scope: Scope) -> Handler:
        path, method = scope["path"], scope["method"]
        match = self.index.find(path, method)
        scope["app"] = self.app
        if match is None:
            raise NotFound
        route, scope["path_params"] = match
        scope["route"] = route
        if method not in (route.methods or ()):
            raise MethodNotAllowed(headers={"Allow": ", ".join(self.index.list_methods(path))})
        return cast(Handler, getattr(route, HANDLER))
