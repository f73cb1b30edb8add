"""The client that waits. Made from _async.py by generate.py: do not edit."""

import time
from collections.abc import Iterator, Awaitable, Callable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, cast, overload

import httpx

from . import models
from ._shared import (
    MAX_WAIT_SECONDS,
    RETRIED_STATUSES,
    SILENCE_SECONDS,
    Fields,
    Frame,
    HasId,
    Kept,
    LiveEvent,
    Method,
    Selected,
    back_off,
    encode_query,
    etag_of,
    fill_path,
    get_seq,
    make_id,
    parse_answer,
)
from .problems import Gone, Problem, RateLimited, Unauthorized, Unavailable, make_problem

T = TypeVar("T")
TokenSource = str | Callable[[str | None], str | None]
"""A reader's token, or what gives one: it is called again with a token that the server did not accept."""


class Listing(Generic[T]):
    """A list: `page()` is its first page, iteration gives all items, `pages()` page after page."""

    def __init__(self, load: Callable[[str | None], Any]) -> None:
        self._load = load

    def page(self) -> "models.PageOf[T]":
        """Return the first page."""
        return cast("models.PageOf[T]", self._load(None))

    def pages(self) -> Iterator["models.PageOf[T]"]:
        """Yield page after page; `page["next"]` of one is the `cursor` at which a later listing can continue."""
        cursor: str | None = None
        while True:
            page = cast("models.PageOf[T]", self._load(cursor))
            yield page
            cursor = page["page"]["next"]
            if cursor is None or cast("Mapping[str, object]", page["page"]).get("more") is False:
                return

    def __iter__(self) -> Iterator[T]:
        """Yield all items."""
        for page in self.pages():
            for item in page["data"]:
                yield item


class Http:
    """Requests: tokens, problems, repetition, conditional requests, and reading what was written."""

    def __init__(self, http: httpx.Client, kept: Kept, key: str | None, token: TokenSource | None, retries: int):
        self.http, self.kept, self.key, self.token, self.retries = http, kept, key, token, retries

    def call(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        content: bytes | None = None,
        if_match: str | None = None,
        token: str | None = None,
        own: bool | None = None,
        needs_guest: bool = False,
    ) -> Any:
        """Send a request and return its JSON, or its text if it has none; raise the problem of an error answer."""
        token = token or self.find_token(method, own, needs_guest)
        request = self.http.build_request(
            method, self.kept.url + path, params=encode_query(query or {}), json=body, content=content
        )
        place = (token or "", str(request.url))
        kept = self.kept.answers.get(place) if method == "GET" else None
        if kept:
            request.headers["if-none-match"] = kept[0]
        if if_match:
            request.headers["if-match"] = if_match
        response = self.send(request, token, needs_guest)
        etag = response.headers.get("etag")
        if kept and response.status_code == 304:
            return parse_answer(kept[1], "application/json", etag)
        media_type = response.headers.get("content-type", "")
        if method == "GET" and etag and media_type == "application/json":
            self.kept.keep(place, etag, response.text)
        return parse_answer(response.text, media_type, etag)

    def send(self, request: httpx.Request, token: str | None, needs_guest: bool) -> httpx.Response:
        """Send a request; again after a failure if that is safe, or with another token if this one is unknown."""
        if request.method == "GET" and (position := self.kept.position):
            request.url = request.url.copy_merge_params({"min_position": position})
        if request.method == "POST":  # the key makes it safe to repeat
            request.headers["idempotency-key"] = make_id()
        is_renewed, is_repeatable = False, request.method in ("GET", "POST")
        attempt = 0
        while True:
            if token:
                request.headers["authorization"] = f"Bearer {token}"
            else:
                request.headers.pop("authorization", None)
            is_last = not is_repeatable or attempt >= self.retries
            try:
                response = self.http.send(request)
            except httpx.TransportError:
                if is_last:
                    raise
                seconds = back_off(attempt)
            else:
                if response.is_success or response.status_code == 304:
                    self.note(response, token)
                    return response
                problem = make_problem(response)
                if isinstance(problem, Unauthorized) and token and not is_renewed:
                    is_renewed, stale = True, token
                    token = self.renew(stale, needs_guest)
                    if token != stale:
                        request.headers["idempotency-key"] = make_id()
                        continue
                seconds = back_off(attempt) if problem.retry_after is None else problem.retry_after
                if is_last or problem.status not in RETRIED_STATUSES or seconds > MAX_WAIT_SECONDS:
                    raise problem
            time.sleep(seconds)
            attempt += 1

    def note(self, response: httpx.Response, token: str | None) -> None:
        """Note what an answer says besides its body: the position of a write, and that a token is not known."""
        position = response.headers.get("broadsheet-position")
        if position and response.request.method != "GET":
            self.kept.note_position(position)
        if token and response.headers.get("broadsheet-token") == "unknown":
            self.renew(token, needs_guest=False)

    def find_token(self, method: Method, own: bool | None, needs_guest: bool) -> str | None:
        """Return the key; else with writes and what is the caller's own the reader's or guest's token."""
        if self.key or not (method != "GET" if own is None else own):
            return self.key
        token = self.find_reader_token(None) or self.kept.guest_token
        return self.make_guest() if token is None and needs_guest else token

    def find_reader_token(self, stale: str | None) -> str | None:
        """Return the reader's token, another one than a stale one if the source has it."""
        return self.token(stale) if callable(self.token) else self.token

    def renew(self, stale: str, needs_guest: bool) -> str | None:
        """Return another token in place of one that the server does not know."""
        if stale == self.key:
            return stale
        if stale != self.kept.guest_token:
            return self.find_reader_token(stale)
        self.kept.guest_token = None
        return self.make_guest() if needs_guest else None

    def make_guest(self) -> str:
        """Make a guest and keep the token."""
        guest = self.call("POST", "/v1/guests", own=False)
        self.kept.guest_token = guest["guest_token"]
        return str(guest["guest_token"])

    def list(self, path: str, query: Mapping[str, object], own: bool = False) -> Listing[Any]:
        """Return a listing."""

        def load(cursor: str | None) -> object:
            return self.call("GET", path, query={**query, **({"cursor": cursor} if cursor else {})}, own=own)

        return Listing(load)


class Articles:
    """Articles: reading, following and editing."""

    def __init__(self, http: Http) -> None:
        self._http = http

    @overload
    def list(self, **query: Unpack[models.ListArticlesQuery]) -> Listing[models.ListedArticleOut]: ...
    @overload
    def list(self, *, fields: Fields, **query: Unpack[models.ListArticlesQuery]) -> Listing[Selected]: ...
    def list(self, *, fields: Fields | None = None, **query: Unpack[models.ListArticlesQuery]) -> Listing[Any]:
        """List public articles; `tag=["a", "b"]` means both, `tag="a,b"` any of them."""
        return self._http.list("/v1/articles", {**query, "fields": fields})

    @overload
    def get(self, article: str, /, **query: Unpack[models.GetArticleQuery]) -> models.SingleArticleOut: ...
    @overload
    def get(self, article: str, /, *, fields: Fields, **query: Unpack[models.GetArticleQuery]) -> Selected: ...
    def get(
        self, article: str, /, *, fields: Fields | None = None, **query: Unpack[models.GetArticleQuery]
    ) -> models.SingleArticleOut | Selected:
        """Get an article by its slug or id, with what `include` names."""
        answer: models.SingleArticleOut = self._http.call(
            "GET", _at("/v1/articles/{}", article), query={**query, "fields": fields}
        )
        return answer

    def neighbours(self, article: str, /, **query: Unpack[models.GetNeighboursQuery]) -> models.NeighboursOut:
        """Get the articles before and after."""
        answer: models.NeighboursOut = self._http.call(
            "GET", _at("/v1/articles/{}/neighbours", article), query=query
        )
        return answer

    def related(self, article: str, /, **query: Unpack[models.ListRelatedArticlesQuery]) -> models.RelatedOutList:
        """Get related articles, with the reasons."""
        answer: models.RelatedOutList = self._http.call(
            "GET", _at("/v1/articles/{}/related", article), query=query
        )
        return answer

    def anchors(self, article: str, /, **query: Unpack[models.ListAnchorsQuery]) -> Listing[models.PassageOut]:
        """List the passages that comments and prompts refer to."""
        return self._http.list(_at("/v1/articles/{}/anchors", article), query)

    def react(self, article: str, value: str | None, /) -> models.ReactionOut:
        """React to an article as the reader or guest; None takes the reaction back."""
        answer: models.ReactionOut = self._http.call(
            "PUT", _at("/v1/articles/{}/reaction", article), body={"value": value}, needs_guest=True
        )
        return answer

    def report(self, article: str, /, **report: Unpack[models.ReportIn]) -> models.ReceivedOut:
        """Report an article."""
        answer: models.ReceivedOut = self._http.call(
            "POST", _at("/v1/articles/{}/reports", article), body=report, needs_guest=True
        )
        return answer

    def create(self, **article: Unpack[models.ArticleIn]) -> models.SingleArticleOut:
        """Create a draft."""
        answer: models.SingleArticleOut = self._http.call("POST", "/v1/articles", body=article)
        return answer

    def update(
        self, article: HasId | str, /, *, if_match: str | None = None, **changes: Unpack[models.ArticlePatch]
    ) -> models.SingleArticleOut:
        """Change an article as it was read: `StaleVersion` is raised if somebody else was faster."""
        return self._edit("PATCH", article, "", changes, if_match)

    def publish(
        self, article: HasId | str, /, *, if_match: str | None = None, **body: Unpack[models.PublishIn]
    ) -> models.SingleArticleOut:
        """Publish the newest revision, or the one that is named."""
        return self._edit("POST", article, "/publish", body, if_match)

    def unpublish(self, article: HasId | str, /, *, if_match: str | None = None) -> models.SingleArticleOut:
        """Take an article back from readers."""
        return self._edit("POST", article, "/unpublish", None, if_match)

    def delete(self, article: HasId | str, /, *, if_match: str | None = None) -> None:
        """Delete an article that was never public."""
        self._edit("DELETE", article, "", None, if_match)

    def _edit(
        self, method: Method, article: HasId | str, rest: str, body: object, if_match: str | None
    ) -> models.SingleArticleOut:
        reference = article if isinstance(article, str) else article["id"]
        answer: models.SingleArticleOut = self._http.call(
            method, _at("/v1/articles/{}", reference) + rest, body=body, if_match=if_match or etag_of(article)
        )
        return answer

    def follow(self, article: str, /, last_event_id: str | None = None) -> Iterator[LiveEvent]:
        """Follow an article and its discussion until it is no longer public, again after every interruption."""
        http, failures = self._http.http, 0
        path = self._http.kept.url + _at("/v1/articles/{}/live", article)
        headers = {"accept": "text/event-stream"}
        if self._http.key:
            headers["authorization"] = f"Bearer {self._http.key}"
        timeout = httpx.Timeout(http.timeout.connect, read=SILENCE_SECONDS)
        while True:
            pause = 2.0
            query = {"last_event_id": last_event_id} if last_event_id else {}
            try:
                with http.stream("GET", path, params=query, headers=headers, timeout=timeout) as response:
                    if not response.is_success:
                        response.read()
                        raise make_problem(response)
                    failures, frame = 0, Frame()
                    for line in response.iter_lines():
                        if line:
                            frame.take(line)
                            continue
                        pause = frame.retry or pause
                        if frame.id and not (last_event_id and get_seq(frame.id) <= get_seq(last_event_id)):
                            last_event_id = frame.id
                        if frame.event and frame.id:  # what is read next holds what the event tells of
                            self._http.kept.note_position(frame.id)
                        if frame.event:
                            event = LiveEvent(frame.event, parse_answer(frame.data, "json", None), frame.id)
                            yield event
                            if event.type == "article.updated" and event.data["state"] != "published":
                                return
                        frame = Frame()
            except Gone as problem:
                if problem.code != "position_gone":
                    raise
                last_event_id, pause = None, 0.0
                yield LiveEvent("reset", None, None)
            except (RateLimited, Unavailable, httpx.TransportError) as error:
                asked = error.retry_after if isinstance(error, Problem) else None
                pause = max(asked or 0.0, back_off(failures, 1))
                failures += 1
            time.sleep(pause)


class Comments:
    """Discussions: comments, votes and reports."""

    def __init__(self, http: Http) -> None:
        self._http = http

    @overload
    def list(
        self, article: str, /, **query: Unpack[models.ListCommentsQuery]
    ) -> Listing[models.ThreadedCommentOut]: ...
    @overload
    def list(
        self, article: str, /, *, fields: Fields, **query: Unpack[models.ListCommentsQuery]
    ) -> Listing[Selected]: ...
    def list(
        self, article: str, /, *, fields: Fields | None = None, **query: Unpack[models.ListCommentsQuery]
    ) -> Listing[Any]:
        """List the comments of an article: threads with their first replies, all, or those on passages."""
        return self._http.list(_at("/v1/articles/{}/comments", article), {**query, "fields": fields})

    def replies(
        self, comment: str, /, **query: Unpack[models.ListRepliesQuery]
    ) -> Listing[models.ThreadedCommentOut]:
        """List the replies to a comment."""
        return self._http.list(_at("/v1/comments/{}/replies", comment), query)

    def get(
        self, comment: str, /, *, own: bool = False, **query: Unpack[models.GetCommentQuery]
    ) -> models.SingleCommentOut:
        """Get a comment; with `own` its author gets the Markdown as written, in `source`."""
        answer: models.SingleCommentOut = self._http.call(
            "GET", _at("/v1/comments/{}", comment), query=query, own=own
        )
        return answer

    def post(self, article: str, /, **comment: Unpack[models.CommentIn]) -> models.PostedOut:
        """Post a comment as the reader, or as a guest, whose token is kept; a guest's first one needs `author`."""
        posted: models.PostedOut = self._http.call("POST", _at("/v1/articles/{}/comments", article), body=comment)
        if posted["guest_token"]:
            self._http.kept.guest_token = posted["guest_token"]
        return posted

    def tryout(self, article: str, /, **comment: Unpack[models.CommentIn]) -> models.TrialOut:
        """Return what would become of a comment, without posting it."""
        answer: models.TrialOut = self._http.call(
            "POST", _at("/v1/articles/{}/comments", article), body=comment, query={"dry_run": True}
        )
        return answer

    def edit(
        self, comment: str, /, *, token: str | None = None, **changes: Unpack[models.CommentPatch]
    ) -> models.CommentOut:
        """Change a comment, as its author or with its edit token."""
        answer: models.CommentOut = self._http.call(
            "PATCH", _at("/v1/comments/{}", comment), body=changes, token=token
        )
        return answer

    def delete(self, comment: str, /, *, token: str | None = None) -> None:
        """Delete a comment, as its author or with its edit token."""
        self._http.call("DELETE", _at("/v1/comments/{}", comment), token=token)

    def vote(self, comment: str, value: Literal[1, 0, -1], /) -> models.VoteOut:
        """Vote: 1, -1, or 0 to take the vote back."""
        answer: models.VoteOut = self._http.call(
            "PUT", _at("/v1/comments/{}/vote", comment), body={"value": value}, needs_guest=True
        )
        return answer

    def report(self, comment: str, /, **report: Unpack[models.ReportIn]) -> models.ReceivedOut:
        """Report a comment."""
        answer: models.ReceivedOut = self._http.call(
            "POST", _at("/v1/comments/{}/reports", comment), body=report, needs_guest=True
        )
        return answer


class Me:
    """What is the reader's or guest's own; without a token it is refused (`Unauthorized`)."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def votes(self, article: str, /) -> models.MyVotesOut:
        """Get the reaction to an article, and the votes on its comments."""
        answer: models.MyVotesOut = self._http.call("GET", "/v1/me/votes", query={"article": article}, own=True)
        return answer

    def comments(self, **query: Unpack[models.ListOwnCommentsQuery]) -> Listing[models.OwnCommentOut]:
        """List the caller's comments."""
        return self._http.list("/v1/me/comments", query, own=True)

    def replies(self, **query: Unpack[models.ListOwnRepliesQuery]) -> Listing[models.CommentOut]:
        """List what others replied."""
        return self._http.list("/v1/me/replies", query, own=True)

    def erase(self) -> None:
        """Erase everything that is stored about the caller, for good; a guest's token ends with it."""
        self._http.call("DELETE", "/v1/me/data")
        self._http.kept.guest_token = None


class Terms(Generic[T]):
    """Sections, tags, authors or series, which are listed and read alike."""

    def __init__(self, http: Http, path: str) -> None:
        self._http, self._path = http, path

    def list(self, **query: Unpack[models.ListTagsQuery]) -> Listing[T]:
        """List them."""
        return self._http.list(self._path, query)

    def get(self, term: str, /) -> T:
        """Get one by its slug or id."""
        return cast("T", self._http.call("GET", _at(self._path + "/{}", term)))


class Client:
    """A client of the API at an address; use it with `with`, or close it."""

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        token: TokenSource | None = None,
        storage: MutableMapping[str, str] | None = None,
        retries: int = 2,
        cache: int = 100,
        http: httpx.Client | None = None,
    ) -> None:
        """Make a client.

        `key` is sent with every request; `token`, the reader's, only with writes and what is the reader's own.
        `storage` keeps a guest's token and the position of the last write. Safe requests are sent `retries` times more
        after a failure. `cache` answers are kept for conditional requests.
        """
        kept = Kept({} if storage is None else storage, url.rstrip("/"), cache)
        http = http or httpx.Client(follow_redirects=True, headers={"accept": "application/json"})
        self._http = Http(http, kept, key, token, retries)
        self.articles, self.comments, self.me = Articles(self._http), Comments(self._http), Me(self._http)
        self.sections: Terms[models.SectionOut] = Terms(self._http, "/v1/sections")
        self.tags: Terms[models.TagDetailOut] = Terms(self._http, "/v1/tags")
        self.authors: Terms[models.AuthorOut] = Terms(self._http, "/v1/authors")
        self.series: Terms[models.SeriesOut] = Terms(self._http, "/v1/series")

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.http.close()

    def site(self) -> models.SiteOut:
        """Get what a front end needs first: name, addresses, menus, rules of discussion."""
        answer: models.SiteOut = self._http.call("GET", "/v1/site")
        return answer

    def resolve(self, path: str, /, **query: Unpack[models.ResolvePathQuery]) -> models.ResolvedOut:
        """Get what to answer at a path or full address of the site; `NotFound` if nothing is there."""
        answer: models.ResolvedOut = self._http.call("GET", "/v1/resolve", query={**query, "path": path})
        return answer

    @overload
    def search(self, **query: Unpack[models.SearchArticlesQuery]) -> Listing[models.FoundArticleOut]: ...
    @overload
    def search(self, *, fields: Fields, **query: Unpack[models.SearchArticlesQuery]) -> Listing[Selected]: ...
    def search(self, *, fields: Fields | None = None, **query: Unpack[models.SearchArticlesQuery]) -> Listing[Any]:
        """Search public articles, the best matches first."""
        return self._http.list("/v1/search", {**query, "fields": fields})

    def counts(self, *articles: str) -> dict[str, models.CountOut]:
        """Get the counts of articles by the slugs or ids that are asked for."""
        if not articles:
            return {}
        answer: models.CountsOut = self._http.call("GET", "/v1/counts", query={"articles": articles})
        return answer["data"]

    def front(self, name: str, /, *, preview: str | None = None) -> models.FrontOut:
        """Get a front with its blocks and articles."""
        answer: models.FrontOut = self._http.call("GET", _at("/v1/fronts/{}", name), query={"preview": preview})
        return answer

    def changes(self, **query: Unpack[models.ListChangesQuery]) -> Listing[models.ChangeOut]:
        """Follow the change feed up to the present; keep `page["next"]` as `cursor` for the next time."""
        return self._http.list("/v1/changes", query)

    def subscribe(self, **subscription: Unpack[models.SubscriptionIn]) -> models.AcceptedOut:
        """Ask for mails; the reader is sent a mail to confirm."""
        answer: models.AcceptedOut = self._http.call("POST", "/v1/subscriptions", body=subscription)
        return answer

    @property
    def guest_token(self) -> str | None:
        """The token of the guest, if there is one."""
        return self._http.kept.guest_token

    def set_token(self, token: TokenSource | None) -> None:
        """Sign a reader in or out."""
        self._http.token = token

    def request(
        self,
        method: Method,
        path: str,
        /,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        if_match: str | None = None,
        token: str | None = None,
        own: bool | None = None,
        **parameters: str,
    ) -> Any:
        """Send any request of the API; `parameters` are those of the path.

        With `own` a read has the reader's or guest's token, which writes always have.
        """
        return self._http.call(
            method, fill_path(path, parameters), query=query, body=body, if_match=if_match, token=token, own=own
        )


def _at(template: str, reference: str) -> str:
    return fill_path(template.replace("{}", "{reference}"), {"reference": reference})
