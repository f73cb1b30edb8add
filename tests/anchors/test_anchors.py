"""Marking passages, and what becomes of them when the text changes."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.anchors.anchors import (
    ANCHOR,
    COLUMNS,
    MAX_ANCHORS,
    StaleRevision,
    TooManyAnchors,
    create_anchor,
    erase_author,
    history_row,
    locate_quote,
    place_columns,
    present_anchor,
    require_anchor,
)
from app.anchors.relocation import relocate_anchors
from app.anchors.resolution import Resolution
from app.anchors.schemas import AnchorIn
from app.anchors.tables import AnchorResolution
from app.core.ids import new_id
from app.core.problems import Invalid, NotFound, Problem
from app.db import Database
from app.db.columns import table_of
from app.events.cache_groups import SETTINGS_GROUP
from app.events.log import read_after
from app.events.schemas import START
from tests import make
from tests.anchors.conftest import TEXT, html

pytestmark = pytest.mark.portable

Headers = dict[str, str]
Mark = Callable[..., str]
Publish = Callable[..., None]
HISTORY = table_of(AnchorResolution)


def anchor(client: TestClient, anchor_id: str) -> dict[str, Any]:
    return make.ok(client.get(f"/v1/anchors/{anchor_id}"))


def listed(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    return make.ok(client.get(f"/v1/articles/ferry/anchors?{query}"))["data"]


def rows(db: Database, anchor_id: str) -> list[tuple[int, str, str]]:
    query = sa.select(HISTORY.c.revision, HISTORY.c.state, HISTORY.c.method).where(HISTORY.c.anchor_id == anchor_id)
    with db.connect() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(HISTORY.c.at, HISTORY.c.id))]


def test_a_marked_passage_is_shown_with_its_place(client: TestClient, mark: Mark, article: dict[str, Any]) -> None:
    found = anchor(client, mark("bakes the bread"))
    start = len(TEXT[0]) + 2 + TEXT[1].index("bakes")
    assert (found["state"], found["kind"], found["question"], found["redacted"]) == ("anchored", "passage", None, False)
    assert (found["revision"], found["start"], found["end"]) == (1, start, start + 15)
    assert found["exact"] == "bakes the bread"
    assert found["prefix"].endswith("Her brother ")
    assert found["suffix"].startswith(" that the harbour")
    assert found["block_id"] == make.ok(client.get("/v1/articles/ferry?formats=blocks"))["body"]["blocks"][1]["id"]


def test_the_same_passage_is_one_anchor(mark: Mark) -> None:
    start = TEXT[0].index("leaves")
    first = mark("leaves at dawn")
    assert mark("leaves at dawn", start=start, end=start + 14) == first
    assert mark(" leaves at dawn", revision=1) == first
    assert mark("leaves at", start=start, end=start + 9) != first


def test_the_same_words_in_the_same_place_are_one_anchor_after_an_edit(mark: Mark, publish: Publish) -> None:
    first = mark("bakes the bread")
    publish("A new beginning.", *TEXT)
    assert mark("bakes the bread") == first
    assert mark("bakes the bread", revision=1) == first


@pytest.mark.parametrize(
    "quote",
    [
        {"exact": "bakes the cake"},
        {"exact": "the"},
        {"exact": "bakes", "start": 0, "end": 5},
        {"exact": "The ferry", "start": 0, "end": 10},
        {"exact": "The ferry", "start": 9_999_990, "end": 9_999_999},
        {"exact": "The ferry", "revision": 2},
        {"exact": "The ferry", "revision": 7},
    ],
)
def test_words_that_are_not_there_are_refused(quote: dict[str, Any], mark: Mark) -> None:
    with pytest.raises(Invalid) as refused:
        mark(**quote)
    assert (refused.value.code, refused.value.errors[0]["pointer"]) == ("quote_not_found", "/anchor/exact")


def test_what_stands_around_words_tells_which_are_meant(mark: Mark, client: TestClient) -> None:
    found = anchor(client, mark("the", prefix="bread that ", suffix=" harbour"))
    assert found["start"] == len(TEXT[0]) + 2 + TEXT[1].index("the harbour")


@pytest.mark.parametrize(
    "quote",
    [
        {"exact": "bakes", "prefix": "Her sister "},
        {"exact": "bakes", "suffix": " a bread"},
        {"exact": "bakes  the\n\tbread", "prefix": "1. Her", "suffix": "Advertisement"},
    ],
)
def test_words_that_stand_once_are_found_whatever_stands_around_them(quote: dict[str, Any], mark: Mark) -> None:
    assert mark(**quote)


def test_what_stands_around_words_may_be_told_as_a_browser_shows_it() -> None:
    text = "One.\n\nThe sea is\nwide.\n\nTwo.\n\nThe sea is wide."
    places = [(6, 22), (30, 46)]
    assert locate_quote(text, AnchorIn(exact="The sea is wide.", prefix="Two.")) == places[1]
    assert locate_quote(text, AnchorIn(exact="The sea is wide.", prefix="One.\n* ", suffix="Two.")) == places[0]
    assert locate_quote(text, AnchorIn(exact="The sea is wide.", prefix="Three")) is None
    assert locate_quote(text, AnchorIn(exact="The sea is wide.")) is None


def test_whole_numbers_may_be_written_with_a_fraction_of_zero() -> None:
    quote = AnchorIn.model_validate({"exact": "a", "start": 0.0, "end": 1.0, "revision": 2.0})
    assert (quote.start, quote.end, quote.revision) == (0, 1, 2)


def test_places_may_be_counted_in_utf16() -> None:
    text = "🌊🌊 a wave 🌊"
    here = {"exact": "wave", "unit": "utf16"}
    assert locate_quote(text, AnchorIn(**here, start=7, end=11)) == (5, 9)
    assert locate_quote(text, AnchorIn(exact="wave", start=5, end=9)) == (5, 9)
    assert locate_quote(text, AnchorIn(**here, start=5, end=9)) is None
    assert locate_quote(text, AnchorIn(exact="🌊", unit="utf16", start=1, end=3)) is None
    assert locate_quote(text, AnchorIn(exact="🌊", unit="utf16", start=12, end=14)) == (10, 11)
    assert locate_quote(text, AnchorIn(exact="🌊", unit="utf16", start=12, end=16)) is None


@pytest.mark.parametrize("wrong", [{"start": 1}, {"end": 1}, {"exact": " "}, {"exact": ""}, {"exact": "a" * 2001}])
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AnchorIn(**{"exact": "a", **wrong})


def test_drafts_cannot_be_probed(client: TestClient, editor: Headers, article: dict[str, Any], mark: Mark) -> None:
    make.patched(client, editor, article, body=html("A secret.", *TEXT))
    answers = []
    for quote in ({"exact": "secret"}, {"exact": "The ferry"}):
        with pytest.raises(Invalid) as refused:
            mark(**quote, revision=2)
        answers.append((refused.value.code, refused.value.detail, refused.value.errors))
    assert answers[0] == answers[1]


def test_what_was_published_under_embargo_cannot_be_probed(
    client: TestClient, editor: Headers, article: dict[str, Any], mark: Mark
) -> None:
    rights = {"embargoed_until": "2099-01-01T00:00:00Z"}
    make.patched(client, editor, article, body=html("Too early.", *TEXT), rights=rights)
    make.act(client, editor, article, "publish")
    with pytest.raises(NotFound):
        mark("Too early")
    make.patched(client, editor, article, body=html(*TEXT))
    make.act(client, editor, article, "publish")
    make.patched(client, editor, article, rights={"embargoed_until": None})
    with pytest.raises(Invalid):
        mark("Too early", revision=2)
    assert mark("The ferry", revision=3)
    assert mark("The ferry", revision=1)


def test_an_earlier_public_revision_may_be_named_while_its_words_are_found(
    mark: Mark, publish: Publish, client: TestClient
) -> None:
    publish("A new beginning.", TEXT[0])
    found = anchor(client, mark("leaves at dawn", revision=1))
    assert (found["revision"], found["start"]) == (2, len("A new beginning.") + 2 + TEXT[0].index("leaves"))
    with pytest.raises(StaleRevision):
        mark("bakes the bread", revision=1)


def test_anchors_follow_the_text(client: TestClient, mark: Mark, publish: Publish, db: Database) -> None:
    ids = [mark("leaves at dawn"), mark("bakes the bread"), mark("the harbour eats")]
    publish(TEXT[0], "New in between.", TEXT[1].replace("bakes the bread", "bakes the rolls"))
    states = {row["exact"]: (row["state"], row["revision"]) for row in listed(client)}
    assert states == {
        "leaves at dawn": ("anchored", 2),
        "bakes the bread": ("changed", 2),
        "the harbour eats": ("anchored", 2),
    }
    publish(TEXT[0])
    assert [anchor(client, each)["state"] for each in ids] == ["anchored", "orphaned", "orphaned"]
    lost = anchor(client, ids[1])
    assert (lost["exact"], lost["start"], lost["end"], lost["block_id"]) == ("bakes the bread", None, None, None)
    publish(*TEXT)
    found = anchor(client, ids[1])
    assert (found["state"], found["revision"], found["start"]) == ("anchored", 4, 45 + TEXT[1].index("bakes"))
    assert [row[:2] for row in rows(db, ids[1])] == [(1, "anchored"), (2, "changed"), (3, "orphaned"), (4, "anchored")]
    assert [row[:2] for row in rows(db, ids[0])] == [(1, "anchored")]


def test_a_fact_that_is_heard_twice_changes_nothing(
    mark: Mark, publish: Publish, db: Database, article: dict[str, Any], client: TestClient
) -> None:
    anchor_id = mark("bakes the bread")
    publish(TEXT[0])
    before = (anchor(client, anchor_id), rows(db, anchor_id))
    with db.transaction() as session:
        facts = read_after(session.connection(), START, 1000)
        for entry in facts:
            if entry.type == "article.updated":
                relocate_anchors(session, entry)
        assert len(read_after(session.connection(), START, 1000)) == len(facts)
    assert (anchor(client, anchor_id), rows(db, anchor_id)) == before


def test_the_log_hears_of_anchors_that_moved_and_of_nothing_else(
    mark: Mark, publish: Publish, db: Database, article: dict[str, Any]
) -> None:
    def facts() -> list[tuple[str, list[str], dict[str, Any]]]:
        with db.connect() as connection:
            found = read_after(connection, START, 1000)
        return [(entry.subject_id, entry.groups, entry.payload) for entry in found if "anchors" in entry.type]

    mark("leaves at dawn")
    publish(TEXT[0], "Another end.")
    assert facts() == []
    publish("Something before.", TEXT[0])
    groups = [f"anchors:{article['id']}", f"comments:{article['id']}"]
    assert facts() == [(article["id"], groups, {"revision": 3})]


def test_a_new_headline_alone_moves_nothing(
    client: TestClient, editor: Headers, article: dict[str, Any], mark: Mark, work: Callable[[], None], db: Database
) -> None:
    anchor_id = mark("leaves at dawn")
    make.patched(client, editor, article, title="New")
    make.act(client, editor, article, "publish")
    work()
    assert anchor(client, anchor_id)["revision"] == 2
    assert len(rows(db, anchor_id)) == 1


def test_the_list_has_what_is_spoken_of_in_the_order_of_the_text(client: TestClient, mark: Mark) -> None:
    mark("harbour eats")
    mark("nobody waves", comments=0)
    mark("The ferry", comments=3)
    assert [(row["exact"], row["comments"]) for row in listed(client)] == [("The ferry", 3), ("harbour eats", 1)]
    first = make.ok(client.get("/v1/articles/ferry/anchors?limit=1&fields=exact&count=exact"))
    assert first["page"]["total"] == 2
    second = make.ok(client.get(f"/v1/articles/ferry/anchors?limit=1&fields=exact&cursor={first['page']['next']}"))
    assert [*first["data"], *second["data"]] == [{"exact": "The ferry"}, {"exact": "harbour eats"}]
    assert listed(client, "kind=prompt") == []
    assert client.get("/v1/articles/ferry/anchors?kind=other").status_code == 400


def test_answers_are_kept_by_caches_until_something_they_show_changes(
    client: TestClient, mark: Mark, article: dict[str, Any], editor: Headers
) -> None:
    anchor_id = mark("The ferry")
    for url in ("/v1/articles/ferry/anchors", f"/v1/anchors/{anchor_id}"):
        answer = client.get(url)
        groups = {f"{kind}:{article['id']}" for kind in ("anchors", "article", "comments")} | {SETTINGS_GROUP}
        assert set(answer.headers["cache-tag"].split(",")) == groups
        assert client.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        assert client.get(url, headers=editor).headers["cache-control"] == "private, no-store"


def test_anchors_are_seen_with_their_article_and_not_without(
    client: TestClient, mark: Mark, article: dict[str, Any], editor: Headers
) -> None:
    anchor_id = mark("The ferry")
    make.act(client, editor, article, "unpublish")
    for url in (f"/v1/anchors/{anchor_id}", "/v1/articles/ferry/anchors", f"/v1/anchors/{new_id()}"):
        hidden = client.get(url)
        assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found")
    with pytest.raises(NotFound):
        mark("The ferry")
    make.act(client, editor, article, "retract", {"reason": "It was made up."})
    assert client.get("/v1/articles/ferry/anchors").status_code == 410


def test_only_anchors_of_the_article_can_be_spoken_of(
    db: Database, mark: Mark, article: dict[str, Any], client: TestClient, editor: Headers
) -> None:
    other = make.published(client, editor, "Other")
    anchor_id = mark("The ferry")
    with db.transaction() as session:
        require_anchor(session, article["id"], anchor_id)
        for article_id, wrong in ((other["id"], anchor_id), (article["id"], new_id()), (article["id"], "x")):
            with pytest.raises(Invalid):
                require_anchor(session, article_id, wrong)


def test_a_comment_joins_what_it_shows(db: Database, mark: Mark, publish: Publish) -> None:
    anchor_id = mark("The ferry")
    query = sa.select(*COLUMNS).where(ANCHOR.c.id == anchor_id)
    with db.connect() as connection:
        found = present_anchor(connection.execute(query).mappings().one())
    assert found is not None
    assert (found["id"], found["exact"], found["state"], found["start"]) == (anchor_id, "The ferry", "anchored", 0)
    assert present_anchor(dict.fromkeys([column.key for column in COLUMNS])) is None


def test_an_article_holds_only_so_many(db: Database, mark: Mark, article: dict[str, Any]) -> None:
    first = mark("The ferry")
    with db.transaction() as session:
        row = dict(session.execute(sa.select(ANCHOR)).mappings().one())
        more = [row | {"id": new_id(), "quote_start": at, "quote_end": at + 1} for at in range(100, 99 + MAX_ANCHORS)]
        session.execute(sa.insert(ANCHOR), more)
    with pytest.raises(TooManyAnchors):
        mark("nobody waves")
    assert mark("The ferry") == first


def test_who_marked_a_passage_can_be_forgotten(db: Database, article: dict[str, Any]) -> None:
    someone = new_id()
    with db.transaction() as session:
        create_anchor(session, article["id"], AnchorIn(exact="The ferry"), someone)
        erase_author(session, someone)
        assert session.execute(sa.select(ANCHOR.c.made_by)).scalar_one() is None
        assert session.execute(sa.select(HISTORY.c.by)).scalar_one() is None


def test_the_history_holds_places_and_no_words() -> None:
    found = Resolution("anchored", "shift", 1.0, 1, 2, "b1")
    assert set(history_row(new_id(), 1, found, method="shift", by=None)) == {column.key for column in HISTORY.c}
    assert not {"exact", "prefix", "suffix", "text"} & {column.key for column in HISTORY.c}
    assert place_columns(found) == {"state": "anchored", "block_id": "b1", "start": 1, "end": 2}


def test_problems_have_their_codes() -> None:
    assert {"quote_not_found", "stale_revision", "too_many_anchors", "already_asked"} <= set(Problem.registry)
