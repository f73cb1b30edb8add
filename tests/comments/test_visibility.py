"""Which subjects of events readers see now, read for a batch of events at once."""

from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.comments.reading import C
from app.comments.visibility import Visibility, read_event_visibility, read_visibility
from app.db import Database
from app.events.catalog import LoggedEvent
from app.events.log import read_after
from app.events.schemas import START
from app.identity.keys import create_api_key
from app.identity.schemas import SYSTEM
from app.publication.media_library import create_reference
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
FAR = "2999-01-01T00:00:00Z"
UNKNOWN = "0199aaaa-0000-7000-8000-000000000000"


def visibility_of(db: Database, **ids: Any) -> Visibility:
    with db.connect() as connection:
        return read_visibility(connection, **ids)


def seen_articles(db: Database, *articles: dict[str, Any]) -> list[bool]:
    visibility = visibility_of(db, articles=[article["id"] for article in articles])
    return [visibility.has_article(article["id"]) for article in articles]


def logged_events(db: Database) -> list[LoggedEvent]:
    with db.connect() as connection:
        return read_after(connection, START, 1000)


def shown_events(db: Database) -> set[tuple[str, str | None]]:
    """The events of the whole log whose subjects readers see now, with their subjects."""
    entries = logged_events(db)
    with db.connect() as connection:
        visibility = read_event_visibility(connection, entries)
    return {(entry.type, entry.subject_id) for entry in entries if visibility.shows(entry)}


def test_only_public_articles_are_seen(client: TestClient, editor: Headers, db: Database) -> None:
    public = make.published(client, editor, rights={"syndication": "none"})
    embargoed = make.published(client, editor, rights={"embargoed_until": FAR})
    unpublished, retracted = make.published(client, editor), make.published(client, editor)
    make.act(client, editor, unpublished, "unpublish")
    make.act(client, editor, retracted, "retract", {"reason": "It was wrong."})
    scheduled = make.draft(client, editor)
    url, headers = f"/v1/articles/{scheduled['id']}/schedule", {**editor, "If-Match": "*"}
    make.ok(client.put(url, json={"at": FAR}, headers=headers))
    hidden = (embargoed, unpublished, retracted, scheduled, make.draft(client, editor), {"id": UNKNOWN})
    assert seen_articles(db, public, *hidden) == [True, *[False] * 6]
    articles = visibility_of(db, articles=[article["id"] for article in hidden]).articles
    row = articles[retracted["id"]]
    assert (row["state"], row["slug"], row["retraction_reason"]) == ("retracted", retracted["slug"], "It was wrong.")
    assert UNKNOWN not in articles


def test_what_partners_may_read_early_is_not_seen(client: TestClient, editor: Headers, db: Database) -> None:
    article = make.published(client, editor, rights={"embargoed_until": FAR})
    with db.transaction() as session:
        key_id, key = create_api_key(session, SYSTEM, "The Mirror", ["syndicate"])
    url, headers = f"/v1/articles/{article['id']}/partners", {**editor, "If-Match": "*"}
    make.ok(client.put(url, json={"keys": [key_id]}, headers=headers))
    make.ok(client.get(f"/v1/articles/{article['id']}", headers={"Authorization": f"Bearer {key}"}))
    assert seen_articles(db, article) == [False]


@pytest.mark.parametrize("level", ["article", "section", "site"])
def test_a_hidden_discussion_hides_its_comments_alone(
    client: TestClient, editor: Headers, moderator: Headers, db: Database, level: str
) -> None:
    section = make.section(client, editor, "News")
    article = make.published(client, editor, section=section["slug"])
    comment = make.comment(client, article)
    path = {"article": f"/articles/{article['id']}", "section": f"/sections/{section['id']}", "site": ""}[level]
    for state, is_seen in (("closed", True), ("hidden", False), ("open", True)):
        headers = {**moderator, "If-Match": "*"}
        make.ok(client.put(f"/v1{path}/discussion", json={"state": state}, headers=headers))
        visibility = visibility_of(db, articles=[article["id"]], comments=[comment["id"]])
        assert visibility.has_article(article["id"])
        assert visibility.has_discussion(article["id"]) == is_seen
        assert visibility.has_comment(article["id"], comment["id"]) == is_seen


def test_only_published_comments_are_seen(
    client: TestClient, article: dict[str, Any], moderator: Headers, db: Database
) -> None:
    comments = {
        state: make.comment(client, article, state.title())["id"]
        for state in "pending published rejected spam removed".split()
    }
    with db.transaction() as session:
        for state, comment_id in comments.items():
            session.execute(sa.update(C).where(C.c.id == comment_id).values(state=state))
    visibility = visibility_of(db, articles=[article["id"]], comments=[*comments.values(), UNKNOWN])
    assert visibility.published_comments == {comments["published"]}
    assert not visibility.has_comment(UNKNOWN, comments["published"])


def test_pictures_are_seen_where_they_are_used(client: TestClient, editor: Headers, db: Database) -> None:
    with db.transaction() as session:
        unused, drafted, used = (create_reference(session, SYSTEM, f"https://a.example/{n}.jpg") for n in "abc")
    make.draft(client, editor, image=drafted)
    make.published(client, editor, image=used)
    assert visibility_of(db, media=[unused, drafted, used]).shown_media == {used}


def test_an_event_is_shown_while_readers_see_its_subject(
    client: TestClient, editor: Headers, moderator: Headers, db: Database
) -> None:
    article, other = make.published(client, editor), make.published(client, editor)
    kept, removed = make.comment(client, article)["id"], make.comment(client, article, "No.")["id"]
    tag = make.published(client, editor, tags=["Fog"])
    make.ok(client.post(f"/v1/comments/{removed}/remove", json={"reason": "So."}, headers=moderator))
    make.notice(client, editor, scope="article", target_id=other["id"], placement="both", text="x")
    make.act(client, editor, other, "unpublish")
    shown = shown_events(db)
    of_article = {("article.published", article["id"]), ("article.published", tag["id"])}
    assert {event for event in shown if event[0] == "article.published"} == of_article
    assert ("article.unpublished", other["id"]) in shown
    comments = {event for event in shown if event[0] in ("comment.published", "comment.removed")}
    assert comments == {("comment.published", kept), ("comment.removed", removed)}
    assert not {event for event in shown if event[0].startswith("notice.")}
    assert {event for event in shown if event[0].startswith("tag.")}
    make.act(client, editor, article, "unpublish")
    assert not {event for event in shown_events(db) if event[0].startswith("comment.")}


def test_a_batch_of_events_takes_one_statement(client: TestClient, editor: Headers, db: Database) -> None:
    for number in range(3):
        make.comment(client, make.published(client, editor, f"{number}"))
    entries, statements = logged_events(db), list[str]()
    with db.connect() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2]))
        visibility = read_event_visibility(connection, entries)
        assert len(visibility.articles) == len(visibility.published_comments) == 3
        assert len(statements) == 1
        assert read_event_visibility(connection, []) == Visibility({}, frozenset(), frozenset())
        assert len(statements) == 1
