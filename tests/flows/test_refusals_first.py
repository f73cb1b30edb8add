"""What can be refused cheaply is refused before a text is read or sent to a checker, and trials count as comments."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from starlette.testclient import TestClient

from app.comments.routes import MAX_SYNC_BYTES
from app.core.ids import new_id
from app.core.settings import Settings
from app.identity.access import MAX_PUBLIC_BYTES
from app.main import create_app
from app.web.routing import MAX_INLINE_JSON_BYTES
from tests import make
from tests.make import Headers, bearer, comment, ok
from tests.receiver import Receiver

pytestmark = pytest.mark.portable

IDA = {"author": {"name": "Ida"}}
DEAR = "*a*\n" * 400


def asked(client: TestClient, method: str, path: str, body: bytes, headers: Headers) -> tuple[int, int, Headers]:
    """The status of an answer, how many parts of the body were read for it, and the answer's headers."""
    reads, start = 0, {"status": 0, "headers": []}

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            start.update(message)

    sent = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"query_string": b"", "scheme": "http", "http_version": "1.1", "client": ("testclient", 1)}
    scope |= {"headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()]}
    assert client.portal is not None
    client.portal.call(client.app, scope, receive, send)
    told: Any = start["headers"]
    return cast(int, start["status"]), reads, {name.decode(): value.decode() for name, value in told}


@pytest.fixture
def checker() -> Iterator[Receiver]:
    """A checker that finds everything good."""
    with Receiver() as found:
        found.answer = b'{"verdict": "publish"}'
        yield found


@pytest.fixture
def client(settings: Settings, checker: Receiver) -> Iterator[TestClient]:
    """The app with that checker and with limits."""
    settings = settings.model_copy(update={"checker_url": checker.url, "rate_limits": "on"})
    with TestClient(create_app(settings, with_worker=False)) as found:
        yield found


def sync(client: TestClient, ops: list[dict[str, Any]], headers: Headers) -> list[dict[str, Any]]:
    """What became of operations that were made offline."""
    data: list[dict[str, Any]] = ok(client.post("/v1/sync/comments", json={"operations": ops}, headers=headers))["data"]
    return data


@pytest.fixture
def article(client: TestClient, admin: Headers) -> dict[str, Any]:
    """A published article."""
    return make.published(client, admin)


def statuses(client: TestClient, url: str, times: int, text: str = "Number {}.", **more: Any) -> list[int]:
    """What a stranger is answered who posts again and again."""
    headers = more.pop("headers", {})
    bodies = [{"text": text.format(n), **IDA, **more} for n in range(times)]
    return [client.post(url, json=body, headers=headers).status_code for body in bodies]


def test_nobody_is_asked_about_what_cannot_be_posted(
    client: TestClient, checker: Receiver, article: dict[str, Any], admin: Headers
) -> None:
    url = f"/v1/articles/{article['id']}/comments"
    assert statuses(client, f"/v1/articles/{new_id()}/comments", 5, DEAR) == [404] * 5
    assert statuses(client, f"{url}?dry_run=true", 1, DEAR, parent_id=new_id()) == [422]
    assert statuses(client, url, 1, "A *b*.", author={"name": "The Example"}) == [422]
    assert client.post(url, json={"text": "No name."}).status_code == 422
    assert statuses(client, url, 1, "a\n" * 1000) == [422]
    ok(
        client.put(
            f"/v1/articles/{article['id']}/discussion", json={"state": "closed"}, headers={**admin, "If-Match": "*"}
        )
    )
    assert statuses(client, url, 3, DEAR) == [409] * 3
    assert checker.messages == []


def test_a_flood_of_comments_and_of_trials_asks_nobody(
    client: TestClient, checker: Receiver, article: dict[str, Any]
) -> None:
    url = f"/v1/articles/{article['id']}/comments"
    guest = make.guest(client)
    assert statuses(client, url, 8, headers=guest) == [201] * 6 + [429] * 2
    assert len(checker.messages) == 6
    assert statuses(client, f"{url}?dry_run=true", 22) == [200] * 14 + [200] * 6 + [429] * 2
    assert len(checker.messages) == 26


def test_a_repeat_is_not_sent_again(client: TestClient, checker: Receiver, article: dict[str, Any]) -> None:
    url, guest = f"/v1/articles/{article['id']}/comments", make.guest(client)
    assert statuses(client, url, 3, "The same.", headers=guest) == [201, 409, 409]
    assert len(checker.messages) == 1


def test_a_batch_asks_about_those_that_may_be_posted(
    client: TestClient, checker: Receiver, article: dict[str, Any]
) -> None:
    ops = [
        {"op": "post", "article": ref, "id": new_id(), "comment": {"text": f"{DEAR}{n}", **IDA}}
        for n, ref in enumerate([*[new_id()] * 10, *[article["id"]] * 10])
    ]
    ops += [{"op": "edit", "id": new_id(), "changes": {"text": f"{DEAR} {n}"}} for n in range(10)]
    answer = ok(client.post("/v1/sync/comments", json={"operations": ops}))
    expected = [404] * 10 + [201] * 6 + [429] * 4 + [404] * 10
    assert [row["status"] for row in answer["data"]] == expected
    assert len(checker.messages) == 6
    waits = [row["retry_after"] for row in answer["data"]]
    assert all(0 < wait <= 60 for wait in waits[16:20])
    assert waits[:16] + waits[20:] == [None] * 26
    again = ok(client.post("/v1/sync/comments", json={"operations": ops[:16]}, headers=bearer(answer["guest_token"])))
    assert [row["status"] for row in again["data"]] == [404] * 10 + [200] * 6
    assert len(checker.messages) == 6, "what was posted before is not judged again"


def test_a_batch_counts_as_its_operations(client: TestClient, article: dict[str, Any]) -> None:
    deletes = [{"op": "delete", "id": new_id()} for _ in range(50)]
    headers = make.guest(client)
    first, second = (
        [
            row["status"]
            for row in ok(client.post("/v1/sync/comments", json={"operations": deletes}, headers=headers))["data"]
        ]
        for _ in range(2)
    )
    assert first == [404] * 50
    assert second == [404] * 10 + [429] * 40


def test_nothing_is_read_of_who_has_sent_too_much(client: TestClient, article: dict[str, Any]) -> None:
    mine = comment(client, article)
    deletes = [{"op": "delete", "id": new_id()} for _ in range(50)]
    guest, author = make.guest(client), bearer(mine["edit_token"])
    assert [row["status"] for row in sync(client, deletes, guest)] == [404] * 50
    assert [row["status"] for row in sync(client, deletes[:9], guest)] == [404] * 9
    body = json.dumps({"operations": deletes}).encode()
    for method, path, headers in (
        ("POST", "/v1/sync/comments", {}),
        ("POST", "/v1/sync/comments", {**guest, "Idempotency-Key": new_id()}),
        ("POST", f"/v1/articles/{article['id']}/comments", {}),
        ("PATCH", f"/v1/comments/{mine['id']}", author),
    ):
        status, reads, told = asked(client, method, path, body, headers)
        assert (status, reads) == (429, 0)
        assert 0 < int(told["retry-after"]) <= 60


def test_who_may_not_write_is_told_before_the_body_is_read(client: TestClient, article: dict[str, Any]) -> None:
    mine = comment(client, article)
    author, body = bearer(mine["edit_token"]), b'{"value": [' * 10_000
    for method, path, headers, status in (
        ("PATCH", f"/v1/comments/{mine['id']}", {}, 401),
        ("PUT", f"/v1/comments/{mine['id']}/vote", {}, 401),
        ("PUT", f"/v1/articles/{article['id']}/reaction", {}, 401),
        ("PUT", f"/v1/comments/{mine['id']}/vote", author, 403),
        ("POST", f"/v1/articles/{article['id']}/comments", author, 403),
    ):
        assert asked(client, method, path, body, headers)[:2] == (status, 0)


def test_a_list_of_operations_counts_as_many(client: TestClient, article: dict[str, Any]) -> None:
    guest, key = make.guest(client), {"Idempotency-Key": new_id()}
    ops = [{"op": "delete", "id": new_id()} for _ in range(20)]
    first = client.post("/v1/sync/comments", json={"operations": ops}, headers={**guest, **key})
    assert first.headers["ratelimit"].startswith('"comment";r=40;')
    again = client.post("/v1/sync/comments", json={"operations": ops}, headers={**guest, **key})
    assert again.json() == first.json()
    assert again.headers["ratelimit"].startswith('"comment";r=39;'), "what came before is one request, and no more"
    assert client.post("/v1/sync/comments", json={"operations": []}, headers=guest).status_code == 422
    assert [row["status"] for row in sync(client, ops, guest)] == [404] * 20
    assert [row["status"] for row in sync(client, ops, guest)] == [404] * 18 + [429] * 2


def test_anybody_may_send_what_their_texts_need(client: TestClient, article: dict[str, Any]) -> None:
    url, guest = f"/v1/articles/{article['id']}/comments", make.guest(client)
    longest = json.dumps({"text": "\U0001f44d" * 10_000, **IDA}).encode()
    assert len(longest) > MAX_INLINE_JSON_BYTES
    headers = {**guest, "content-type": "application/json"}
    assert client.post(url, content=longest, headers=headers).status_code == 201
    ops = [
        {"op": "post", "article": new_id(), "id": new_id(), "comment": {"text": "\u6f22" * 9_990 + str(n), **IDA}}
        for n in range(50)
    ]
    sent = json.dumps({"operations": ops}, ensure_ascii=False).encode()
    answer = client.post("/v1/sync/comments", content=sent, headers=headers)
    assert [row["status"] for row in ok(answer)["data"]] == [404] * 50
    for path, size in ((url, MAX_PUBLIC_BYTES), ("/v1/sync/comments", MAX_SYNC_BYTES)):
        assert client.post(path, content=b" " * size, headers=headers).status_code == 400
        assert client.post(path, content=b" " * (size + 1), headers=headers).status_code == 413


def test_a_long_body_is_refused_as_a_short_one(client: TestClient, article: dict[str, Any]) -> None:
    url, headers = f"/v1/articles/{article['id']}/comments", {"content-type": "application/json"}
    for fault in (
        '{"text": "a", "author": {"name": ""}}',
        '{"text": "a", "text": "b"}',
        '{"text": 1, "surprise": 2}',
    ):
        short, long = (client.post(url, content=f"{fault}{' ' * size}", headers=headers) for size in (1, 40_000))
        kept = [{**answer.json(), "request_id": None} for answer in (short, long)]
        assert short.status_code in {400, 422}
        assert kept[0] == kept[1]


def test_an_edit_is_asked_about_if_its_author_may_make_it(
    client: TestClient, checker: Receiver, article: dict[str, Any]
) -> None:
    mine = comment(client, article)
    url, before = f"/v1/comments/{mine['id']}", len(checker.messages)
    stranger, author = make.guest(client), bearer(mine["edit_token"])
    assert client.patch(url, json={"text": DEAR}, headers=stranger).status_code == 403
    assert client.patch(f"/v1/comments/{new_id()}", json={"text": DEAR}, headers=author).status_code == 404
    assert client.patch(url, json={"text": "I agree."}, headers=author).status_code == 200
    assert len(checker.messages) == before
    assert client.patch(url, json={"text": DEAR}, headers=author).status_code == 200
    assert len(checker.messages) == before + 1


def test_a_lost_answer_is_had_again_without_another_question(
    client: TestClient, checker: Receiver, article: dict[str, Any], admin: Headers
) -> None:
    url, key = f"/v1/articles/{article['id']}/comments", {"Idempotency-Key": new_id()}
    first = client.post(url, json={"text": DEAR, **IDA}, headers=key)
    assert first.status_code == 201
    ok(
        client.put(
            f"/v1/articles/{article['id']}/discussion", json={"state": "closed"}, headers={**admin, "If-Match": "*"}
        )
    )
    again = client.post(url, json={"text": DEAR, **IDA}, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(checker.messages) == 1
