"""Reading a discussion: views, orders, pages and first replies; what is not public, and to whom it is shown."""

from typing import Any

import pydantic_core
import pytest
from starlette.testclient import TestClient

from app.comments.schemas import SORT_COLUMNS, CommentList
from app.core.ids import new_id
from app.db import Database
from app.web.fields import dump_json
from tests import make
from tests.comments.trees import Twig, grown
from tests.make import Headers, bearer, comment, ok

pytestmark = pytest.mark.portable

Article = dict[str, Any]
SPAMMY = "A https://a.example b https://b.example c https://c.example"


def read(client: TestClient, article: Article, query: str = "", headers: Headers | None = None) -> Any:
    """A page of an article's discussion."""
    return ok(client.get(f"/v1/articles/{article['id']}/comments?{query}", headers=headers or {}))


def below(client: TestClient, comment_id: str, query: str = "") -> Any:
    """A page of the replies to a comment."""
    return ok(client.get(f"/v1/comments/{comment_id}/replies?{query}"))


def one(client: TestClient, comment_id: str, query: str = "", headers: Headers | None = None) -> Any:
    """The answer to a read of one comment."""
    return client.get(f"/v1/comments/{comment_id}?{query}", headers=headers or {})


def decide(client: TestClient, moderator: Headers, comment_id: str, verb: str) -> None:
    """A moderator's decision."""
    ok(client.post(f"/v1/comments/{comment_id}/{verb}", headers=moderator))


def ids(rows: list[dict[str, Any]]) -> list[str]:
    """The ids of rows."""
    return [row["id"] for row in rows]


def walk(client: TestClient, path: str, **asked: Any) -> list[str]:
    """The ids of all rows of a list, page by page."""
    return [row["id"] for page in make.pages(client, path, **asked) for row in page]


VOTES = [(0, 0), (9, 0), (1, 0), (5, 5), (40, 38), (0, 3), (2, 1)]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("oldest", [0, 1, 2, 3, 4, 5, 6]),
        ("newest", [6, 5, 4, 3, 2, 1, 0]),
        ("best", [1, 4, 2, 6, 3, 5, 0]),  # few votes weigh less; nobody's vote and only bad ones are worth nothing
        ("controversial", [4, 3, 6, 5, 2, 1, 0]),  # one side alone is no controversy
    ],
)
@pytest.mark.parametrize("level", ["top", "replies"])
def test_every_order_on_every_level(
    client: TestClient, db: Database, article: Article, sort: str, order: list[int], level: str
) -> None:
    under = 0 if level == "replies" else None
    first = [Twig()] if level == "replies" else []
    twigs = [Twig(under, second, ups, downs) for second, (ups, downs) in enumerate(VOTES, start=1)]
    rows = grown(db, article["id"], [*first, *twigs])
    url = f"/v1/articles/{article['id']}/comments" if under is None else f"/v1/comments/{rows[0]['id']}/replies"
    wanted = [rows[len(first) + n]["id"] for n in order]
    assert ids(ok(client.get(f"{url}?sort={sort}"))["data"]) == wanted
    for limit in (1, 3, 7):
        assert walk(client, url, sort=sort, limit=limit) == wanted
    flat = f"/v1/articles/{article['id']}/comments"
    found = walk(client, flat, view="all", sort=sort, limit=2)
    assert [row for row in found if row in wanted] == wanted


def test_newest_is_what_comes_unasked_and_replies_come_oldest_first(
    client: TestClient, db: Database, article: Article
) -> None:
    rows = grown(db, article["id"], [Twig(), Twig(None, 1), Twig(0, 2), Twig(0, 3)])
    assert ids(read(client, article)["data"]) == ids([rows[1], rows[0]])
    assert ids(below(client, rows[0]["id"])["data"]) == ids(rows[2:])


@pytest.mark.parametrize(
    "query",
    ["sort=controversy", "sort=", "view=tree", "replies=11", "replies=-1", "limit=0", "limit=101", "colour=red"],
)
def test_unknown_parameters_and_values_are_named(client: TestClient, article: Article, query: str) -> None:
    answer = client.get(f"/v1/articles/{article['id']}/comments?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


def test_a_cursor_belongs_to_its_order(client: TestClient, db: Database, article: Article) -> None:
    grown(db, article["id"], [Twig(None, n) for n in range(3)])
    for sort in SORT_COLUMNS:
        cursor = read(client, article, f"sort={sort}&limit=1")["page"]["next"]
        for other in SORT_COLUMNS:
            answer = client.get(f"/v1/articles/{article['id']}/comments?sort={other}&cursor={cursor}")
            assert answer.status_code == (200 if other == sort else 400)


def test_threads_come_with_first_replies_and_where_they_go_on(
    client: TestClient, db: Database, article: Article, statements: list[str]
) -> None:
    tops = [Twig(None, n) for n in range(3)]
    rows = grown(db, article["id"], [*tops, *(Twig(0, 10 + n) for n in range(5)), Twig(1, 20), Twig(3, 30)])
    del statements[:]
    page = read(client, article, "sort=oldest&replies=2")
    assert len(statements) == 3, "the article, the level, the first replies of all of it"
    assert ids(page["data"]) == ids(rows[:3])
    many, single, none = (row["first_replies"] for row in page["data"])
    assert [row["replies"] for row in page["data"]] == [5, 1, 0]
    assert ids(many["data"]) == ids(rows[3:5])
    assert many["page"]["limit"] == 2
    assert many["page"]["next"] is not None
    rest = below(client, rows[0]["id"], f"limit=2&cursor={many['page']['next']}")
    assert ids(rest["data"]) == ids(rows[5:7])
    assert ids(below(client, rows[0]["id"], f"cursor={rest['page']['next']}")["data"]) == ids(rows[7:8])
    assert (ids(single["data"]), single["page"]["next"]) == (ids(rows[8:9]), None)
    assert (none["data"], none["page"]["next"]) == ([], None)
    assert many["data"][0]["replies"] == 1, "what is below a first reply is counted"
    assert many["data"][0]["first_replies"] is None, "and not shown"


def test_how_many_first_replies(client: TestClient, db: Database, article: Article) -> None:
    rows = grown(db, article["id"], [Twig(), *(Twig(0, n) for n in range(1, 13)), Twig(1, 20)])
    for query, most in (("", 3), ("replies=10", 10), ("replies=1", 1)):
        assert ids(read(client, article, query)["data"][0]["first_replies"]["data"]) == ids(rows[1 : 1 + most])
    assert read(client, article, "replies=0")["data"][0]["first_replies"] is None
    inner = below(client, rows[0]["id"])["data"]
    assert inner[0]["first_replies"] is None
    inner = below(client, rows[0]["id"], "replies=1")["data"]
    assert ids(inner[0]["first_replies"]["data"]) == ids(rows[13:14])


def test_flat_views_show_every_level_and_no_replies(client: TestClient, article: Article) -> None:
    top = comment(client, article, "Upon?", anchor={"exact": "upon"})
    reply = comment(client, article, "Upon.", parent_id=top["id"])
    other = comment(client, article, "At large.")
    found = read(client, article, "view=all&sort=oldest")["data"]
    assert ids(found) == ids([top, reply, other])
    assert [row["first_replies"] for row in found] == [None] * 3
    assert ids(read(client, article, "view=inline")["data"]) == ids([top])
    assert ids(read(client, article, "sort=oldest")["data"]) == ids([top, other])


def test_comments_on_one_passage(client: TestClient, article: Article) -> None:
    upon = [comment(client, article, f"Upon {n}?", anchor={"exact": "upon"}) for n in range(3)]
    comment(client, article, "Time?", anchor={"exact": "time"})
    comment(client, article, "At large.")
    anchor = upon[0]["anchor"]["id"]
    assert {row["anchor"]["id"] for row in upon} == {anchor}
    page = read(client, article, f"anchor={anchor}&sort=oldest&count=exact&limit=2")
    assert (ids(page["data"]), page["page"]["total"]) == (ids(upon[:2]), 3)
    assert page["data"][0]["anchor"]["exact"] == "upon"
    rest = read(client, article, f"anchor={anchor}&sort=oldest&cursor={page['page']['next']}")
    assert ids(rest["data"]) == ids(upon[2:])
    assert read(client, article, f"anchor={new_id()}")["data"] == []
    assert client.get(f"/v1/articles/{article['id']}/comments?anchor=passage").status_code in {400, 404}


def test_anchors_of_another_article_lead_nowhere(client: TestClient, editor: Headers, article: Article) -> None:
    other = make.published(client, editor, "Another")
    there = comment(client, other, "Upon?", anchor={"exact": "upon"})
    assert read(client, article, f"anchor={there['anchor']['id']}")["data"] == []


def test_what_a_comment_holds(client: TestClient, article: Article) -> None:
    top = comment(client, article, "First *words*.", author={"name": "Ida", "email": "ida@mail.example"})
    reply = comment(client, article, "An answer.", parent_id=top["id"])
    found = ok(one(client, reply["id"]))
    assert found == {
        "id": reply["id"],
        "article_id": article["id"],
        "parent_id": top["id"],
        "root_id": top["id"],
        "depth": 1,
        "state": "published",
        "author": reply["author"],
        "html": "<p>An answer.</p>",
        "text": "An answer.",
        "created_at": reply["created_at"],
        "edited_at": None,
        "redacted_at": None,
        "replies": 0,
        "votes": {"up": 0, "down": 0},
        "anchor": None,
        "featured": False,
        "links": {
            "self": f"/v1/comments/{reply['id']}",
            "article": f"/v1/articles/{article['id']}",
            "parent": f"/v1/comments/{top['id']}",
            "replies": f"/v1/comments/{reply['id']}/replies",
        },
    }
    assert found["author"].keys() == {"id", "name", "kind", "badges"}
    listed = read(client, article)
    assert listed["data"][0]["first_replies"]["data"] == [{**found, "first_replies": None}]
    assert "mail.example" not in str(listed)
    for path in found["links"].values():
        assert client.get(path).status_code == 200


def test_those_above_from_the_top_down(client: TestClient, db: Database, article: Article) -> None:
    states = ["published", "removed", "published", "published"]
    rows = grown(db, article["id"], [Twig(n - 1 if n else None, n, state=state) for n, state in enumerate(states)])
    found = ok(one(client, rows[3]["id"], "include=ancestors"))
    assert ids(found["ancestors"]) == ids(rows[:3])
    assert [row["state"] for row in found["ancestors"]] == states[:3]
    assert [row["text"] for row in found["ancestors"]] == ["Comment 0.", None, "Comment 2."]
    assert ok(one(client, rows[0]["id"], "include=ancestors"))["ancestors"] == []
    assert "ancestors" not in ok(one(client, rows[3]["id"]))
    assert one(client, rows[3]["id"], "include=children").status_code == 400


def test_at_most_100_above(client: TestClient, db: Database, article: Article) -> None:
    rows = grown(db, article["id"], [Twig(n - 1 if n else None, n) for n in range(150)])
    assert ids(ok(one(client, rows[149]["id"], "include=ancestors"))["ancestors"]) == ids(rows[49:149])


def test_chosen_fields(client: TestClient, article: Article) -> None:
    top = comment(client, article, "First.")
    comment(client, article, "Second.", parent_id=top["id"])
    page = read(client, article, "fields=text,author.name,votes.up")
    assert page["data"] == [{"text": "First.", "author": {"name": "Ida"}, "votes": {"up": 0}}]
    nested = read(client, article, "fields=id,first_replies.page.limit")["data"]
    assert nested == [{"id": top["id"], "first_replies": {"page": {"limit": 3}}}]
    assert ok(one(client, top["id"], "fields=text,replies")) == {"text": "First.", "replies": 1}
    assert below(client, top["id"], "fields=text")["data"] == [{"text": "Second."}]
    for path in (f"/v1/articles/{article['id']}/comments", f"/v1/comments/{top['id']}"):
        answer = client.get(f"{path}?fields=email")
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "fields")


def test_chosen_fields_of_first_replies(client: TestClient, article: Article) -> None:
    top = comment(client, article, "First.")
    comment(client, article, "Second.", parent_id=top["id"])
    nested = read(client, article, "fields=id,first_replies.data.text")["data"]
    assert nested == [{"id": top["id"], "first_replies": {"data": [{"text": "Second."}]}}]


@pytest.mark.parametrize("verb", ["remove", "spam", "reject"])
def test_a_tombstone_keeps_the_place_of_what_has_replies(
    client: TestClient, article: Article, moderator: Headers, verb: str
) -> None:
    top = comment(client, article, "Rude words.", author={"name": "Ida"}, anchor={"exact": "upon"})
    reply = comment(client, article, "An answer.", parent_id=top["id"])
    alone = comment(client, article, "Alone.")
    for row in (top, alone):
        decide(client, moderator, row["id"], verb)
    page = read(client, article, "count=exact")
    assert (ids(page["data"]), page["page"]["total"]) == ([top["id"]], 1), "without replies nothing stays"
    stone = page["data"][0]
    assert (stone["state"], stone["author"], stone["html"], stone["text"]) == ("removed", None, None, None)
    assert (stone["replies"], stone["featured"], stone["edited_at"]) == (1, False, None)
    assert ids(stone["first_replies"]["data"]) == [reply["id"]]
    assert "Rude" not in str(page)
    assert "Ida" not in str(stone | {"first_replies": None})
    assert ok(one(client, top["id"]))["state"] == "removed"
    assert one(client, alone["id"]).status_code == 404
    assert client.get(f"/v1/comments/{alone['id']}/replies").status_code == 404
    assert ids(below(client, top["id"])["data"]) == [reply["id"]]
    assert ids(read(client, article, "view=all")["data"]) == [reply["id"]], "flat views leave it out"
    assert read(client, article, "view=inline")["data"] == []
    assert read(client, article, f"anchor={top['anchor']['id']}")["data"] == []
    assert client.get(f"/v1/articles/{article['id']}").json()["discussion"]["comments"] == 1


def test_a_page_has_the_form_of_its_model(client: TestClient, article: Article, moderator: Headers) -> None:
    comment(client, article, "Upon?", anchor={"exact": "upon"})
    top = comment(client, article, "Gone.")
    comment(client, article, "Why?", parent_id=top["id"])
    decide(client, moderator, top["id"], "remove")
    for query in ("replies=0", "replies=1", "view=all", "limit=1"):
        body = client.get(f"/v1/articles/{article['id']}/comments?{query}").content
        assert dump_json(CommentList, pydantic_core.from_json(body)) == body, query


def test_tombstones_go_with_the_last_reply_and_come_back_with_it(
    client: TestClient, article: Article, moderator: Headers
) -> None:
    chain = [comment(client, article, "0")]
    for n in range(1, 4):
        chain.append(comment(client, article, str(n), parent_id=chain[-1]["id"]))
    for row in chain[1:3]:
        decide(client, moderator, row["id"], "remove")
    assert ids(below(client, chain[0]["id"])["data"]) == [chain[1]["id"]]
    decide(client, moderator, chain[3]["id"], "remove")
    assert read(client, article)["data"][0]["replies"] == 0
    assert below(client, chain[0]["id"])["data"] == []
    assert [one(client, row["id"]).status_code for row in chain] == [200, 404, 404, 404]
    for row in chain[1:]:
        decide(client, moderator, row["id"], "restore")
    found = read(client, article, "view=all&sort=oldest&count=exact")
    assert (ids(found["data"]), found["page"]["total"]) == (ids(chain), 4)
    assert [row["replies"] for row in found["data"]] == [1, 1, 1, 0]


def test_what_is_featured_says_so(client: TestClient, article: Article, moderator: Headers) -> None:
    told = comment(client, article)
    url = f"/v1/comments/{told['id']}/featured"
    for value in (True, False, True):
        ok(client.put(url, json={"value": value}, headers=moderator))
        assert read(client, article)["data"][0]["featured"] is value
        assert ok(one(client, told["id"]))["featured"] is value
    decide(client, moderator, told["id"], "remove")
    decide(client, moderator, told["id"], "restore")
    assert read(client, article)["data"][0]["featured"] is False


def test_its_author_sees_a_comment_that_waits_and_nobody_else_does(
    client: TestClient, article: Article, editor: Headers
) -> None:
    held = comment(client, article, SPAMMY)
    assert held["state"] == "pending"
    for token in (held["guest_token"], held["edit_token"]):
        answer = one(client, held["id"], headers=bearer(token))
        found = ok(answer)
        assert (found["state"], found["text"], found["author"]["name"]) == ("pending", held["text"], "Ida")
        assert answer.headers["cache-control"] == "private, no-store"
    other = comment(client, article)
    for headers in ({}, make.guest(client), bearer(other["edit_token"]), bearer(other["guest_token"]), editor):
        assert one(client, held["id"], headers=headers).status_code == 404
        for query in ("view=threads", "view=all"):
            assert held["id"] not in ids(read(client, article, query, headers)["data"])
    assert client.get(f"/v1/comments/{held['id']}/replies", headers=bearer(held["edit_token"])).status_code == 404


@pytest.mark.parametrize(("verb", "state"), [("reject", "rejected"), ("spam", "spam")])
def test_its_author_sees_what_became_of_a_comment(
    client: TestClient, article: Article, moderator: Headers, verb: str, state: str
) -> None:
    told = comment(client, article, "Contested.")
    decide(client, moderator, told["id"], verb)
    found = ok(one(client, told["id"], headers=bearer(told["guest_token"])))
    assert (found["state"], found["text"]) == (state, "Contested.")
    assert one(client, told["id"]).status_code == 404


def test_a_removed_comment_is_nothing_to_its_author_either(
    client: TestClient, article: Article, moderator: Headers
) -> None:
    told = comment(client, article, "Contested.")
    decide(client, moderator, told["id"], "remove")
    assert one(client, told["id"], headers=bearer(told["guest_token"])).status_code == 404


def test_there_is_no_such_thing(client: TestClient, article: Article, editor: Headers) -> None:
    draft = make.draft(client, editor, "Unpublished")
    for path in (
        f"/v1/comments/{new_id()}",
        f"/v1/comments/{new_id()}/replies",
        "/v1/comments/first",
        "/v1/comments/first/replies",
        f"/v1/articles/{new_id()}/comments",
        "/v1/articles/nowhere/comments",
        f"/v1/articles/{draft['id']}/comments",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_a_hidden_discussion_hides_what_was_said(
    client: TestClient, article: Article, make_key: Any, moderator: Headers
) -> None:
    told = comment(client, article)
    boss = make_key("comments:moderate", "content:publish")
    path = f"/v1/articles/{article['id']}/discussion"
    for state, status in (("hidden", 404), ("closed", 200), ("open", 200)):
        etag = client.get(path, headers=boss).headers["etag"]
        ok(client.put(path, json={"state": state}, headers={**boss, "If-Match": etag}))
        for url in (f"/v1/articles/{article['id']}/comments", f"/v1/comments/{told['id']}"):
            assert client.get(url).status_code == status, (state, url)


def test_exact_counts(client: TestClient, db: Database, article: Article) -> None:
    states = ["published", "removed", "removed", "pending"]
    twigs = [Twig(None, n, state=state) for n, state in enumerate(states)]
    rows = grown(db, article["id"], [*twigs, Twig(1, 9), Twig(1, 10), Twig(1, 11, state="spam")])
    assert read(client, article)["page"]["total"] is None
    for query, total in (("", 2), ("view=all", 3), ("view=inline", 0), ("view=all&limit=1", 3)):
        assert read(client, article, f"{query}&count=exact")["page"]["total"] == total
    assert below(client, rows[1]["id"], "count=exact&limit=1")["page"]["total"] == 2


def test_answers_can_be_kept_until_the_discussion_changes(
    client: TestClient, article: Article, editor: Headers
) -> None:
    told = comment(client, article)
    for path in (
        f"/v1/articles/{article['id']}/comments",
        f"/v1/comments/{told['id']}",
        f"/v1/comments/{told['id']}/replies",
    ):
        answer = client.get(path)
        assert f"comments:{article['id']}" in answer.headers["surrogate-key"].split()
        assert answer.headers["cache-control"].startswith("public")
        etag = {"If-None-Match": answer.headers["etag"]}
        assert client.get(path, headers=etag).status_code == 304
        assert client.get(path, headers=editor).headers["cache-control"] == "private, no-store"
    before = client.get(f"/v1/articles/{article['id']}/comments").headers["etag"]
    comment(client, article, "More.", parent_id=told["id"])
    after = client.get(f"/v1/articles/{article['id']}/comments", headers={"If-None-Match": before})
    assert (after.status_code, after.headers["etag"] == before) == (200, False)


def test_the_slug_of_the_article_serves_as_well(client: TestClient, article: Article) -> None:
    told = comment(client, article)
    assert ids(ok(client.get(f"/v1/articles/{article['slug']}/comments"))["data"]) == [told["id"]]


def test_an_article_brings_its_discussion(client: TestClient, editor: Headers) -> None:
    article, draft = make.published(client, editor, "Ferry"), make.draft(client, editor, "Draft")
    first = make.comment(client, article, "One.")
    make.comment(client, article, "Two.", parent_id=first["id"])
    alone = client.get("/v1/articles/ferry/comments")
    both = client.get("/v1/articles/ferry?include=related,comments&fields=title")
    assert make.ok(both) == {"title": "Ferry", "related": [], "comments": make.ok(alone)}
    assert set(alone.headers["cache-tag"].split(",")) <= set(both.headers["cache-tag"].split(","))
    assert make.ok(client.get(f"/v1/articles/{draft['id']}?include=comments", headers=editor))["comments"] is None
    assert "comments" not in make.ok(client.get("/v1/articles/ferry"))


def test_fields_reach_into_what_an_article_brings(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "Ferry")
    first = make.comment(client, article, "One.")
    make.comment(client, article, "Two.", parent_id=first["id"])
    fields = "title,comments.data.text,comments.data.first_replies.data.text,comments.page.limit,neighbours.next.title"
    assert make.ok(client.get(f"/v1/articles/ferry?fields={fields}")) == {
        "title": "Ferry",
        "neighbours": {"next": None},
        "comments": {"data": [{"text": "One.", "first_replies": {"data": [{"text": "Two."}]}}], "page": {"limit": 20}},
    }
    for wrong in ("comments.text", "comments.data.words", "comments.data.text.length"):
        answer = client.get(f"/v1/articles/ferry?fields={wrong}")
        assert (answer.status_code, answer.json()["detail"]) == (400, f"fields: there is no field {wrong}.")
