"""The client that waits, and the async one of which it is made, against a server."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from broadsheet_client import (
    AsyncClient,
    BadRequest,
    Client,
    Invalid,
    NotFound,
    PreconditionRequired,
    StaleVersion,
    Unauthorized,
    Unavailable,
    etag_of,
)

from .conftest import KEY, SLUG, URL, Transport, answer_problem, words

ROOT = Path(__file__).resolve().parents[1]


def test_a_list_gives_all_items_or_pages_with_the_fields_asked_for(api: Client) -> None:
    listing = api.articles.list(fields=["slug", "section.name"], limit=2, count="exact")
    page = listing.page()
    assert set(page["data"][0]) == {"slug", "section"}
    assert len({article["slug"] for article in listing}) == page["page"]["total"]
    assert sum(len(one["data"]) for one in listing.pages()) == page["page"]["total"]
    assert any("bridge" in article["title"] for article in api.search(q="bridge"))
    with pytest.raises(BadRequest):
        api.articles.list(fields=["titel"]).page()


def test_an_article_comes_with_what_include_names(api: Client) -> None:
    article = api.articles.get(SLUG, formats=["html", "text"], include=["comments", "head"])
    assert article.get("head")
    assert article.get("comments")
    found = api.resolve(httpx.URL(article["url"]).path)
    assert (found["kind"], found["status"]) == ("article", 200)
    assert api.counts(SLUG)[SLUG]["comments"] >= 0
    assert api.site()["name"]
    assert list(api.changes(limit=100))


def test_problems_have_classes_by_their_family(api: Client) -> None:
    with pytest.raises(NotFound) as thrown:
        api.articles.get("nothing")
    assert (thrown.value.status, thrown.value.code) == (404, "not_found")
    assert thrown.value.request_id
    with pytest.raises(Unauthorized):
        api.me.votes(SLUG)
    with pytest.raises(Invalid):
        api.comments.post(SLUG, text="")


def test_unchanged_answers_are_not_sent_again(api: Client, transport: Transport) -> None:
    first, second = api.articles.get(SLUG), api.articles.get(SLUG)
    assert [answer.status_code for answer in transport.answers] == [200, 304]
    assert first == second
    assert first is not second


def test_a_guest_is_kept_and_reads_own_writes(api: Client, transport: Transport) -> None:
    posted = api.comments.post(SLUG, text=words("I *walk* it."), author={"name": "Ida"})
    reply = api.comments.post(SLUG, text=words("Twice."), parent_id=posted["id"])
    assert {comment["id"] for comment in api.me.comments()} == {posted["id"], reply["id"]}
    assert "*walk*" in (api.comments.get(posted["id"], own=True).get("source") or "")
    assert api.comments.edit(posted["id"], text=words("I run."))["edited_at"]
    assert posted["id"] in {comment["id"] for comment in api.comments.list(SLUG)}
    last = transport.requests[-1]
    assert last.url.params["min_position"] == transport.answers[-2].headers["broadsheet-position"]
    assert "authorization" not in last.headers


def test_a_guest_that_is_unknown_is_renewed(api: Client) -> None:
    with Client(URL) as author:
        comment = author.comments.post(SLUG, text=words("Vote."), author={"name": "Ida"})["id"]
    assert api.comments.vote(comment, 1)["votes"]["up"] == 1
    token = api.guest_token
    api.request("DELETE", "/v1/me/data")  # the token ends, and the client does not know it
    assert api.comments.vote(comment, -1)["votes"]["down"] == 1
    assert token != api.guest_token
    assert api.articles.react(SLUG, "insightful")["value"] == "insightful"


def test_a_token_that_is_not_accepted_is_asked_for_again() -> None:
    stales: list[str | None] = []

    def find_token(stale: str | None) -> str:
        stales.append(stale)
        return KEY if stale else "old"

    def refuse(_n: int, request: httpx.Request) -> httpx.Response | None:
        return answer_problem(401, "unauthorized") if request.headers["authorization"] == "Bearer old" else None

    with Client(URL, token=find_token, http=httpx.Client(transport=Transport(refuse))) as api:
        assert api.request("GET", "/v1/whoami", own=True)["kind"] == "key"
    assert stales == [None, "old"]


def test_safe_requests_are_repeated_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)

    def fail_twice(n: int, _request: httpx.Request) -> httpx.Response | None:
        if n == 2:
            raise httpx.ConnectError("refused")
        return answer_problem(503, "unavailable", retry_after="7") if n == 1 else None

    busy = Transport(fail_twice)
    with Client(URL, http=httpx.Client(transport=busy)) as api:
        posted = api.comments.post(SLUG, text=words("Only once."), author={"name": "Ida"})
    assert len({request.headers["idempotency-key"] for request in busy.requests}) == 1
    assert len(busy.requests) == 3
    assert waits[0] == 7
    refusing = Transport(lambda _n, _request: answer_problem(503, "unavailable", retry_after="1"))
    with Client(URL, token="any", http=httpx.Client(transport=refusing)) as api, pytest.raises(Unavailable):
        api.comments.edit(posted["id"], text="Again.")
    assert len(refusing.requests) == 1


def test_an_edit_is_one_of_the_version_that_was_read(editor: Client, api: Client) -> None:
    draft = editor.articles.create(title="First", body={"markdown": "Once upon a time."})
    read = editor.articles.get(draft["id"])
    assert etag_of(read)
    editor.articles.update(read, title="Second")
    with pytest.raises(StaleVersion) as thrown:
        editor.articles.update(read, title="Third")
    editor.articles.update(draft["id"], title="Third", if_match=thrown.value.etag)
    with pytest.raises(PreconditionRequired):
        editor.articles.update(draft["id"], title="Fourth")
    article = editor.articles.publish(editor.articles.get(draft["id"]))
    assert api.articles.get(article["slug"])["title"] == "Third"
    editor.articles.unpublish(article["id"], if_match="*")


def test_the_async_client_does_the_same() -> None:
    async def run() -> None:
        async with AsyncClient(URL) as api, AsyncClient(URL, key=KEY) as editor:
            assert [article["slug"] async for article in api.articles.list(fields=["slug"], limit=2)]
            article = await editor.articles.publish(
                await editor.articles.create(title="Live", body={"markdown": "Text."})
            )
            types, posted = [], ""
            async for event in api.articles.follow(article["id"]):
                types.append(event.type)
                if event.type == "counts" and not posted:
                    posted = (await api.comments.post(article["id"], text="Live.", author={"name": "Ida"}))["id"]
                if event.type == "comment.published":
                    assert event.data["id"] == posted
                    assert posted in [comment["id"] async for comment in api.comments.list(article["id"])]
                    await editor.articles.unpublish(article["id"], if_match="*")
            assert types[0] == "counts"
            assert types[-1] == "article.updated"
            with pytest.raises(NotFound):
                await anext(api.articles.follow("nothing"))

    asyncio.run(run())


def test_a_stream_goes_on_after_the_last_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    queries = []

    def cut(n: int, request: httpx.Request) -> httpx.Response | None:
        if "last_event_id" in request.url.params or n == 1:
            queries.append(request.url.params.get("last_event_id"))
        if n == 1:
            return httpx.Response(
                200, text='retry: 5\n: \nid: 0.1\n\nid: 0.2\nevent: counts\ndata: {"comments":0}\n\nid: 0'
            )
        return answer_problem(410, "position_gone") if n == 2 else None

    with Client(URL, http=httpx.Client(transport=Transport(cut))) as following:
        events = following.articles.follow(SLUG)
        assert [next(events).type for _ in range(3)] == ["counts", "reset", "counts"]
    assert queries == [None, "0.2"]


@pytest.mark.parametrize(
    ("page", "printed"),
    [("README.md", "In praise of the slow bridge"), ("../../docs/how-to/use-the-python-client.md", "counts")],
)
def test_the_examples_of_pages_run(page: str, printed: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert page != "README.md" or len(blocks[0].splitlines()) <= 17, "15 lines are enough"
    (tmp_path / "data").mkdir()
    (tmp_path / "data/editor.key").write_text(KEY, "utf-8")
    example = "\n".join(blocks).replace("http://localhost:8000", URL)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert printed in done.stdout
