"""The layer in front of the framework: sends kept answers, and lets one request make each missing answer."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.clock import unix_time
from app.core.problems import TooManyRequests
from app.db.base import require_lsn
from app.edge.answers import (
    BYPASS,
    COLLAPSED,
    CONTENT_HEADERS,
    HIT,
    MISS,
    STORED,
    Alias,
    Answer,
    Header,
    Key,
    Response,
    State,
    make_answer,
)
from app.edge.keeper import Flight, Keeper
from app.edge.requests import (
    BYPASSING,
    CONDITIONS,
    READ_METHODS,
    Headers,
    KeyReader,
    PublicCallers,
    Query,
    alias_of,
    is_seen,
    read_headers,
    read_request_id,
)
from app.web.access_log import AccessLog
from app.web.admission import slot_of
from app.web.etag import matches_etag, strip_coding
from app.web.protocol import find_cycle, send_whole
from app.web.rate_limits import Limiter

MAX_ROUNDS = 3  # of waiting for an answer that becomes stale while it is made; then the request goes to the app alone


class Layer:
    """ASGI: answers hits itself and passes everything else to the app."""

    def __init__(
        self,
        app: ASGIApp,
        keeper: Keeper,
        keys: KeyReader,
        callers: PublicCallers,
        limiter: Limiter,
        access_log: AccessLog,
    ) -> None:
        self.app, self.keeper, self.access_log = app, keeper, access_log
        self._keys, self._callers, self._limiter = keys, callers, limiter
        self._by_alias, self._counts_at_once = keeper.memory.by_alias, limiter.counts_at_once
        self._check: Callable[[], bool] = keeper.follower.check if keeper.follower is not None else lambda: False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] not in READ_METHODS or not self.keeper.is_started:
            await self.app(scope, receive, send)
        elif not self.answer_at_once(scope, send):
            await self._answer_slowly(scope, receive, send)

    def answer_at_once(self, scope: Scope, send: Send) -> bool:
        """Send a kept answer if that needs no waiting; otherwise send nothing and return False."""
        if scope["method"] not in READ_METHODS or not self.keeper.is_started or not self._counts_at_once:
            return False
        cycle = find_cycle(send)
        if cycle is None:
            return False
        started = time.perf_counter()
        headers = read_headers(scope)
        if not BYPASSING.isdisjoint(headers) or not self._check():
            return False
        answer = self._by_alias.get(alias_of(scope, headers))
        if answer is None or answer.until <= unix_time():
            return False
        if answer.is_outdated and (answer := self.keeper.renew(answer)) is None:
            return False
        caller = self._callers.find(scope, headers)
        limits = None if caller is None else self._limiter.count(*caller)
        if limits is None:  # the app refuses it
            return False
        self.keeper.hits += 1
        self.keeper.memory.touch(answer)
        request_id = read_request_id(headers)
        choice = answer.choose(headers, request_id)
        send_whole(cycle, choice.head, (*choice.own, *limits), choice.body)
        self.access_log.note(scope["method"], answer.route, choice.status, started, request_id)
        return True

    async def _bypass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the app, as a bypass."""
        self.keeper.bypassed += 1

        async def send_marked(message: Message) -> None:
            await send(_mark(message, BYPASS) if message["type"] == "http.response.start" else message)

        await self.app(scope, receive, send_marked)

    async def _answer_slowly(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may have to wait: from memory, with the answer of a flight, or by the app."""
        started, headers = time.perf_counter(), read_headers(scope)
        keeper, follower = self.keeper, self.keeper.follower
        read = self._keys.read(scope, headers) if BYPASSING.isdisjoint(headers) else None
        if read is None or follower is None or not await self._callers.admit(headers) or not await follower.catch_up():
            await self._bypass(scope, receive, send)
            return
        key, query = read
        if not is_seen(query, follower.has_seen) or keeper.is_passing(key):
            await self._bypass(scope, receive, send)
            return
        alias = alias_of(scope, headers) if query.min_position is None else None
        for _ in range(MAX_ROUNDS):
            answer, mark = self._find(key, alias), HIT
            if answer is None and not keeper.is_passing(key):
                flight = keeper.flights.get(key)
                if flight is None:
                    await self._lead(scope, receive, send, headers, key, query, alias)
                    return
                with slot_of(scope):
                    answer, mark = await flight.wait(), COLLAPSED
            if answer is not None:
                await self._give(answer, scope, receive, send, headers, mark, started)
                return
        await self._bypass(scope, receive, send)

    def _find(self, key: Key, alias: Alias | None) -> Answer | None:
        answer = self.keeper.memory.find(key, alias)
        if answer is not None and answer.until <= unix_time():
            self.keeper.memory.drop(answer)
            return None
        return self.keeper.renew(answer) if answer is not None and answer.is_outdated else answer

    async def _give(
        self, answer: Answer, scope: Scope, receive: Receive, send: Send, headers: Headers, mark: Header, started: float
    ) -> None:
        """Send a kept answer, or one that was made for another request; 304 if the client has it."""
        limits = await self._count(scope, headers)
        if limits is None:
            await self._bypass(scope, receive, send)
            return
        if mark is HIT:
            self.keeper.hits += 1
        else:
            self.keeper.collapsed += 1
        if self.keeper.memory.holds(answer):
            self.keeper.memory.touch(answer)
        request_id = read_request_id(headers)
        choice = answer.choose(headers, request_id)
        cycle = find_cycle(send) if mark is HIT else None
        if cycle is not None:
            send_whole(cycle, choice.head, (*choice.own, *limits), choice.body)
        else:
            sent = [mark if header is HIT else header for header in choice.headers]
            start = {"type": "http.response.start", "status": choice.status}
            with slot_of(scope):  # the client may be slow to read
                await send({**start, "headers": [*sent, *choice.own, *limits]})
                await send({"type": "http.response.body", "body": choice.body})
        self.access_log.note(scope["method"], answer.route, choice.status, started, request_id)

    async def _count(self, scope: Scope, headers: Headers) -> list[Header] | None:
        """Count the request against its rate limit; None if it is over the limit."""
        caller = self._callers.find(scope, headers)
        if caller is None:  # the key was revoked a moment ago
            return None
        if self._counts_at_once:
            return self._limiter.count(*caller)
        try:
            limits = await self._limiter.hit(*caller)
        except TooManyRequests:
            return None
        return [(name.lower().encode(), value.encode()) for name, value in limits.items()]

    async def _lead(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Headers,
        key: Key,
        query: Query,
        alias: Alias | None,
    ) -> None:
        """Let the app answer for all requests with the same key that arrive meanwhile.

        A standby may answer if it has replayed every change that was evicted before; the flight notes later evictions.
        """
        self.keeper.misses += 1
        flight = self.keeper.flights[key] = Flight(self.keeper.follower)
        state = scope.setdefault("state", {})
        inner = {**scope, "query_string": query.text}
        if not CONDITIONS.isdisjoint(headers):
            inner["headers"] = [header for header in scope["headers"] if header[0] not in CONDITIONS]
        recorder = _Recorder(self.keeper, flight, key, query, alias, state, headers, send)
        follower = self.keeper.follower
        try:
            with require_lsn(follower.lsn if follower is not None else 0):
                await self.app(inner, receive, recorder.send)
        finally:
            recorder.end(None)


class _Recorder:
    """Receives the answer of the app, keeps it if that is allowed, and sends it on."""

    def __init__(
        self,
        keeper: Keeper,
        flight: Flight,
        key: Key,
        query: Query,
        alias: Alias | None,
        state: State,
        headers: Headers,
        send: Send,
    ) -> None:
        self.keeper, self._flight, self._key, self._names = keeper, flight, key, query.names
        self._aliases = () if alias is None else (alias,)
        self._state, self._headers, self._send = state, headers, send
        self._start: Message | None = None  # held back until the body arrives

    def end(self, answer: Answer | None) -> None:
        """Give the answer to the requests that wait for it."""
        if self.keeper.flights.get(self._key) is self._flight:
            del self.keeper.flights[self._key]
        self._flight.end(answer)

    async def send(self, message: Message) -> None:
        """Receive a message of the app."""
        is_start = message["type"] == "http.response.start"
        if is_start and any(name == b"content-length" for name, _ in message["headers"]):
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None and not message.get("more_body"):
            start, message = self._finish(start, message)
            await self._send(start)
            await self._send(message)
        elif start is not None or is_start:  # an answer sent in parts is not kept
            self.keeper.pass_for_now(self._key)
            self.end(None)
            await self._send(_mark(start or message, MISS))
            if start is not None:
                await self._send(message)
        else:
            await self._send(message)

    def _finish(self, start: Message, message: Message) -> tuple[Message, Message]:
        """Keep the answer if that is allowed; return the messages to send."""
        response = Response(start["status"], list(start["headers"]), message.get("body", b""))
        now = unix_time()
        answer = make_answer(self._key, self._names, response, self._state, self._flight.started, now)
        if answer is None:
            self.keeper.pass_for_now(self._key)
        is_unmodified = self._is_unmodified(response, answer, now)
        if answer is not None:
            follower = self.keeper.follower
            if follower is None or not follower.can_store() or self._flight.is_stale(answer):
                answer = None
        is_stored = answer is not None and self.keeper.memory.add(answer, *self._aliases)
        self.end(answer)
        start = _mark(start, STORED if is_stored else MISS)
        if is_unmodified:
            kept = [header for header in start["headers"] if header[0] not in CONTENT_HEADERS]
            return {**start, "status": 304, "headers": kept}, {**message, "body": b""}
        return start, message

    def _is_unmodified(self, response: Response, answer: Answer | None, now: float) -> bool:
        """Whether the client has this answer; the app was called without the conditions of the request."""
        none_match, since = self._headers.get(b"if-none-match"), self._headers.get(b"if-modified-since")
        if response.status != 200 or (none_match is None and since is None):
            return False
        if answer is not None:
            return answer.is_unmodified(none_match, since, now)
        tag = next((value for name, value in response.headers if name == b"etag"), b"")
        if none_match is None or not tag:
            return False
        return matches_etag(none_match.decode("latin-1"), strip_coding(tag.decode("latin-1").strip('"')))


def _mark(start: Message, mark: Header) -> Message:
    return {**start, "headers": [*start["headers"], mark]}
