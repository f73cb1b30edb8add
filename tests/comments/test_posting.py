"""Posting: guests, readers and staff; once, however often; refused with a reason."""

from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from tests import make
from tests.make import Headers, bearer, comment, ok

pytestmark = pytest.mark.portable

Article = dict[str, Any]


@pytest.fixture
def article(client: TestClient, editor: Headers) -> Article:
    """A published article."""
    return make.published(client, editor)


def url(article: Article) -> str:
    """Where its comments are."""
    return f"/v1/articles/{article['id']}/comments"


def counts(client: TestClient, article: Article) -> tuple[int, int]:
    """Its numbers of comments, as the article says."""
    found = client.get(f"/v1/articles/{article['id']}").json()["discussion"]
    return found["comments"], found["inline"]


def test_a_guest_posts_and_is_known_again(client: TestClient, article: Article) -> None:
    assert counts(client, article) == (0, 0)
    first = comment(
        client, article, "First *words*, see https://example.org/x", author={"name": "Ida", "email": "I@x.org"}
    )
    assert first["state"] == "published"
    assert first["guest_token"].startswith("bg_")
    assert first["edit_token"].startswith("be_")
    assert first["html"] == (
        '<p>First <em>words</em>, see <a href="https://example.org/x" rel="noopener nofollow ugc">'
        "https://example.org/x</a></p>"
    )
    assert first["author"]["name"] == "Ida"
    assert "x.org" not in str(first).replace("example.org", "")
    second = comment(client, article, "More words.", parent_id=first["id"], headers=bearer(first["guest_token"]))
    assert (second["author"], second["guest_token"]) == (first["author"], None)
    assert (second["parent_id"], second["root_id"], second["depth"]) == (first["id"], first["id"], 1)
    assert counts(client, article) == (2, 0)
    page = client.get(url(article)).json()
    assert [row["id"] for row in page["data"]] == [first["id"]]
    assert [row["id"] for row in page["data"][0]["first_replies"]["data"]] == [second["id"]]


def test_a_guest_needs_a_name_once(client: TestClient, article: Article) -> None:
    answer = client.post(url(article), json={"text": "Hm."})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/author")
    assert client.get(url(article)).json()["data"] == []


def test_names_of_staff_are_reserved(client: TestClient, editor: Headers, article: Article) -> None:
    make.author(client, editor, "Ann Author")
    for name in ("Ann Author", "Аnn  Auth0r", "The Example"):
        answer = client.post(url(article), json={"text": "Hm.", "author": {"name": name}})
        assert (answer.status_code, answer.json()["code"]) == (422, "name_reserved"), name
    staff = comment(client, article, "I know.", headers=editor)
    assert (staff["author"]["kind"], staff["author"]["badges"]) == ("staff", ["staff"])


def test_a_name_is_given_up_to_staff_who_come_later(client: TestClient, editor: Headers, article: Article) -> None:
    guest = bearer(comment(client, article, "First.", author={"name": "Ann Author"})["guest_token"])
    make.author(client, editor, "Ann Author")
    answer = client.post(url(article), json={"text": "Second."}, headers=guest)
    assert (answer.status_code, answer.json()["code"]) == (422, "name_reserved")
    assert comment(client, article, "Second.", author={"name": "Ann"}, headers=guest)["author"]["name"] == "Ann"
    assert comment(client, article, "Third.", headers=guest)["author"]["name"] == "Ann"


def test_a_key_of_other_sections_does_not_speak_here(
    client: TestClient, editor: Headers, make_key: Any, article: Article
) -> None:
    here, other = (make.section(client, editor, name) for name in ("Here", "Elsewhere"))
    limited = make_key("content:write", sections=[here["id"]])
    where = make.published(client, editor, "Inside", section=here["id"])
    assert comment(client, where, headers=limited)["author"]["badges"] == ["staff"]
    for there in (article, make.published(client, editor, "Outside", section=other["id"])):
        answer = client.post(url(there), json={"text": "Staff was here."}, headers=limited)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert counts(client, there) == (0, 0)


def test_a_key_that_only_reads_writes_nothing(client: TestClient, article: Article, make_key: Any) -> None:
    answer = client.post(url(article), json={"text": "Hm."}, headers=make_key("content:read"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_same_comment_sent_again_is_the_same(client: TestClient, article: Article) -> None:
    body = {"id": new_id(), "text": "Once.", "author": {"name": "Ida"}}
    first = client.post(url(article), json=body)
    again = client.post(url(article), json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"] == body["id"]
    # a stranger who knows what was posted gets no token for it
    assert (again.json()["edit_token"], again.json()["guest_token"]) == (None, None)
    mine = client.post(url(article), json=body, headers=bearer(first.json()["guest_token"]))
    assert (mine.status_code, mine.json()["edit_token"]) == (200, first.json()["edit_token"])
    other = client.post(url(article), json={**body, "text": "Twice."}, headers=bearer(first.json()["guest_token"]))
    assert (other.status_code, other.json()["code"]) == (422, "id_reused")
    stranger = client.post(url(article), json={**body, "text": "Twice."})
    assert (stranger.status_code, stranger.json()["code"]) == (409, "id_taken")
    assert counts(client, article) == (1, 0)


def test_a_lost_first_answer_can_be_had_again(client: TestClient, article: Article) -> None:
    body = {"id": new_id(), "text": "Once.", "author": {"name": "Ida"}}
    headers = {"Idempotency-Key": new_id()}
    first, again = (client.post(url(article), json=body, headers=headers).json() for _ in range(2))
    assert again == first
    assert first["guest_token"] is not None
    assert client.get("/v1/whoami", headers=bearer(first["guest_token"])).json()["id"] == first["author"]["id"]
    short = {"Idempotency-Key": "guess"}
    first, again = (
        client.post(url(article), json={"text": "Other.", "author": {"name": "Bo"}}, headers=short).json()
        for _ in range(2)
    )
    assert first["guest_token"] is not None
    assert (again["id"], again["guest_token"]) == (first["id"], None)


def test_a_trial_changes_nothing(client: TestClient, article: Article) -> None:
    body = {"text": "A https://a.example b https://b.example c https://c.example", "author": {"name": "Ida"}}
    for _ in range(2):
        found = ok(client.post(f"{url(article)}?dry_run=true", json=body))
        assert found == {"state": "pending", "reasons": [{"stage": "links"}]}
    assert counts(client, article) == (0, 0)
    assert comment(client, article, body["text"])["state"] == "pending"


def test_closed_means_closed(client: TestClient, article: Article, make_key: Any) -> None:
    boss = make_key("comments:moderate", "content:publish")
    path = f"/v1/articles/{article['id']}/discussion"
    etag = client.get(path, headers=boss).headers["etag"]
    closes = now()
    ok(client.put(path, json={"closes_at": format_rfc3339(closes)}, headers={**boss, "If-Match": etag}))
    body = {"text": "Too late?", "author": {"name": "Ida"}}
    with time_machine.travel(closes.timestamp() + 3600):
        answer = client.post(url(article), json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "discussion_closed")
        waited = {**body, "created_at": format_rfc3339(now().replace(year=closes.year - 1))}
        assert client.post(url(article), json=waited).status_code == 409
        waited = {**body, "created_at": format_rfc3339(closes)}
        assert ok(client.post(url(article), json=waited), 201)["state"] == "pending"
        for vague in ("2026-01-31T12:00:00", "2026-01-31", 1_764_000_000):  # nobody knows of which time zone
            answer = client.post(url(article), json={**waited, "created_at": vague})
            assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/created_at"), vague
    with time_machine.travel(closes.timestamp() + 25 * 3600):
        assert client.post(url(article), json={**waited, "text": "Later."}).status_code == 409


def test_replies_stand_under_what_is_public(client: TestClient, editor: Headers, article: Article) -> None:
    other = make.published(client, editor, "Another")
    top = comment(client, article)
    links = "A https://a.example b https://b.example c https://c.example"
    held = comment(client, article, links)
    body = {"text": "A reply.", "author": {"name": "Bo"}}
    wrong = client.post(url(other), json={**body, "parent_id": top["id"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/parent_id")
    waits = client.post(url(article), json={**body, "parent_id": held["id"]})
    assert (waits.status_code, waits.json()["code"]) == (409, "parent_not_published")
    own = comment(client, article, "More.", parent_id=held["id"], headers=bearer(held["guest_token"]))
    assert own["state"] == "pending"
    assert counts(client, article) == (1, 0)


def test_feedback_on_a_passage(client: TestClient, article: Article) -> None:
    anchor = {"exact": "upon", "start": 5, "end": 9}
    first = comment(client, article, "Upon?", anchor=anchor)
    assert (first["anchor"]["exact"], first["anchor"]["state"]) == ("upon", "anchored")
    second = comment(client, article, "Why not?", anchor_id=first["anchor"]["id"])
    comment(client, article, "By the way.")
    assert counts(client, article) == (3, 2)
    inline = client.get(f"{url(article)}?view=inline&sort=oldest").json()["data"]
    assert [row["id"] for row in inline] == [first["id"], second["id"]]
    there = client.get(f"{url(article)}?anchor={first['anchor']['id']}&count=exact").json()
    assert there["page"]["total"] == 2
    assert len(client.get(f"{url(article)}?view=all").json()["data"]) == 3
    for bad in ({"anchor": {"exact": "nowhere"}}, {"anchor_id": new_id()}):
        assert client.post(url(article), json={"text": "x", "author": {"name": "Bo"}, **bad}).status_code == 422
    reply = client.post(
        url(article), json={"text": "x", "author": {"name": "Bo"}, "parent_id": first["id"], "anchor": anchor}
    )
    assert reply.json()["errors"][0]["code"] == "anchored_reply"


@pytest.mark.parametrize(
    "bad",
    [
        {"text": ""},
        {"text": "\u200b"},
        {"text": "x" * 10_001},
        {"text": "[" * 600},
        {"text": ">"},
        {"text": "x", "author": {"name": ""}},
        {"text": "x", "author": {"name": "Ida", "email": "no"}},
        {"text": "x", "id": "1"},
        {"text": "x", "parent_id": new_id()},
        {"text": "x", "notify": "always"},
        {"text": "x", "unknown": 1},
    ],
)
def test_what_does_not_fit_is_refused(client: TestClient, article: Article, bad: dict[str, Any]) -> None:
    answer = client.post(url(article), json={"author": {"name": "Ida"}, **bad})
    assert answer.status_code == 422, answer.text
    assert counts(client, article) == (0, 0)


def test_a_trial_of_a_removed_comment_tells_its_state(client: TestClient, article: Article, moderator: Headers) -> None:
    body = {"text": "I agree.", "author": {"name": "Ida"}, "id": new_id()}
    guest = bearer(ok(client.post(url(article), json=body), 201)["guest_token"])
    ok(client.post(f"/v1/comments/{body['id']}/remove", headers=moderator))
    trial = client.post(f"{url(article)}?dry_run=true", json=body, headers=guest)
    assert ok(trial) == {"state": "removed", "reasons": []}
