"""What the search finds, in which order, and that it is what readers may see."""

import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from app.articles.list_parameters import parse_filters
from app.articles.publishing import advance_due_articles
from app.core.clock import format_rfc3339
from app.core.settings import Settings
from app.db import Database
from app.identity.schemas import ANONYMOUS
from app.publication.site import Site
from app.search import finding
from app.search.finding import prefer_word_index
from app.search.indexing import index_article
from app.search.schemas import SearchQuery
from bench.statements import recorded
from tests import make

Headers = dict[str, str]


def titles(client: TestClient, q: str, **more: str) -> list[str]:
    """Titles of what is found."""
    answer = client.get("/v1/search", params={"q": q, "fields": "title", **more})
    return [row["title"] for row in make.ok(answer)["data"]]


def text(words: str) -> dict[str, Any]:
    """A body."""
    return {"html": f"<p>{html.escape(words)}</p>"}


def test_a_title_weighs_more_than_a_standfirst_and_that_more_than_a_text(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "In the text", body=text("Nothing of the ferry but this."))
    make.published(client, editor, "In the dek", dek="About a ferry", body=text("Nothing more of it than this."))
    make.published(client, editor, "The ferry", body=text("Nothing more of it than just this."))
    make.published(client, editor, "Elsewhere", body=text("Nothing."))
    assert titles(client, "ferry") == ["The ferry", "In the dek", "In the text"]
    assert titles(client, "ferry", sort="-published_at") == ["The ferry", "In the dek", "In the text"]
    assert titles(client, "text", sort="-published_at") == ["In the text"]
    scores = [row["score"] for row in make.ok(client.get("/v1/search?q=ferry"))["data"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] < scores[0] <= 1


QUESTIONS = {
    "ferries harbour": ["Harbour"],  # another form of the word
    "FERRY": ["Ferry", "Harbour"],
    '"ferry at the harbour"': ["Harbour"],
    '"harbour ferry"': [],
    '"ferries"': [],  # in a phrase words stand as they are
    "harb*": ["Harbour"],
    "ha*": [],
    "ferry -harbour": ["Ferry"],
    'ferry -"the harbour"': ["Ferry"],
    "ferry -harb*": ["Ferry"],
    "-harbour": [],
    "elections": ["Élections"],
    "ÉLECTIONS": ["Élections"],
    "lodz": ["Élections"],
    "ﬁlm": ["Élections"],
    "l'etat": ["Élections"],
    "東京": ["東京都の橋"],
    "京都": ["東京都の橋"],
    "都": ["東京都の橋"],
    "東京都の橋": ["東京都の橋"],
    "東橋": [],
    "iphone発売": ["東京都の橋"],
    "москвы": ["Москва"],
    "!!!": [],
    '"': [],
    "ferry OR AND NOT NEAR(": [],
    "title:ferry": [],
    "ferry) OR (harbour": [],
    "' OR 1=1 --": [],
    "ferry\\ & | ! <-> :*": ["Ferry", "Harbour"],
    "{title} : ferry ^": [],
}


def test_what_a_question_finds(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "Ferry", body=text("It left in the morning."))
    make.published(client, editor, "Harbour", body=text("There is a ferry at the harbour."))
    make.published(client, editor, "Élections", language="fr", body=text("L’État, le film et Łódź."))
    make.published(client, editor, "東京都の橋", language="ja", body=text("iPhone発売。"))
    make.published(client, editor, "Москва", language="ru", body=text("Дождь."))
    for q, found in QUESTIONS.items():
        assert sorted(titles(client, q)) == sorted(found), q
        for sort in ("-published_at", "title"):
            listed = make.ok(client.get("/v1/articles", params={"q": q, "sort": sort, "fields": "title"}))["data"]
            assert sorted(row["title"] for row in listed) == sorted(found), q


@pytest.mark.parametrize("q", ["", "   ", "\t", "x" * 301])
def test_a_question_must_say_something_and_not_too_much(client: TestClient, q: str) -> None:
    for path in ("/v1/search", "/v1/articles"):
        problem = make.ok(client.get(path, params={"q": q}), 400)
        assert problem["errors"][0]["parameter"] == "q"


def test_a_question_is_needed(client: TestClient) -> None:
    assert make.ok(client.get("/v1/search"), 400)["errors"][0]["parameter"] == "q"


def test_orders_that_do_not_go_with_words(client: TestClient) -> None:
    assert make.ok(client.get("/v1/articles?q=a&sort=-discussed_7d"), 400)["errors"][0]["parameter"] == "sort"


def test_only_what_readers_see_now_is_found(
    client: TestClient, editor: Headers, db: Database, settings: Settings
) -> None:
    def found(q: str) -> list[str]:
        assert titles(client, q) == make.titles(client, f"q={q}")
        with_key = make.ok(client.get(f"/v1/search?q={q}&fields=title", headers=editor))["data"]
        assert [row["title"] for row in with_key] == titles(client, q)  # a key finds no more
        return titles(client, q)

    article = make.draft(client, editor, "One ferry", body=text("First words."))
    assert found("ferry") == []
    make.act(client, editor, article, "publish")
    assert found("ferry") == ["One ferry"]
    make.patched(client, editor, article, title="One bridge", body=text("Second words."))
    assert found("second") == found("bridge") == []
    make.act(client, editor, article, "publish")
    assert (found("second"), found("first"), found("ferry")) == (["One bridge"], [], [])
    make.act(client, editor, article, "unpublish")
    assert found("bridge") == []
    make.act(client, editor, article, "publish")
    moment = datetime.now(UTC)
    make.patched(client, editor, article, rights={"expires_at": format_rfc3339(moment + timedelta(hours=1))})
    assert found("bridge") == ["One bridge"]
    with time_machine.travel(moment + timedelta(hours=2)), db.transaction() as session:
        assert advance_due_articles(session, index_article) == 1
    assert found("bridge") == []
    make.patched(client, editor, article, rights={"expires_at": None})
    assert found("bridge") == ["One bridge"]
    make.act(client, editor, article, "retract", {"reason": "No."})
    assert found("bridge") == []


def test_filters_fields_counts_and_texts(client: TestClient, editor: Headers) -> None:
    make.section(client, editor, "Sea")
    make.section(client, editor, "Land")
    for number in range(4):
        section = "sea" if number % 2 else "land"
        make.published(client, editor, f"Ferry {number}", section=section, tags=[f"t{number}"])
    assert titles(client, "ferry", section="sea") == ["Ferry 3", "Ferry 1"]
    assert titles(client, "ferry", section="-sea", tag="-t0") == ["Ferry 2"]
    assert sorted(titles(client, "ferry", tag="t1,t2", language="en")) == ["Ferry 1", "Ferry 2"]
    answer = make.ok(client.get("/v1/search?q=ferry&section=sea&count=exact&limit=1&formats=text"))
    assert answer["page"]["total"] == 2
    assert answer["data"][0]["body"] == {"text": "Once upon a time."}
    answer = make.ok(client.get("/v1/articles?q=ferry&section=sea&count=exact&fields=slug"))
    assert answer == {
        "data": [{"slug": "ferry-3"}, {"slug": "ferry-1"}],
        "page": {"next": None, "prev": None, "limit": 20, "total": 2},
    }
    answer = make.ok(client.get("/v1/search?q=ferry&fields=highlight.title&limit=1"))
    assert answer["data"] == [{"highlight": {"title": "<mark>Ferry</mark> 3"}}]


def test_search_answers_are_kept_under_the_groups_of_lists(client: TestClient, editor: Headers) -> None:
    answer = client.get("/v1/search?q=ferry")
    assert answer.headers["cache-tag"] == "articles,publication,discussions:settings"
    assert client.get("/v1/search?q=ferry", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert client.get("/v1/search?q=ferry", headers=editor).headers["cache-control"] == "private, no-store"


def test_a_search_takes_few_statements(
    client: TestClient, editor: Headers, db: Database, statements: list[str], make_cards: Callable[[], None]
) -> None:
    for number in range(3):
        make.published(client, editor, f"Ferry {number}")
    make_cards()
    for path in ("/v1/search", "/v1/articles"):
        statements.clear()
        assert len(make.ok(client.get(f"{path}?q=ferry+-bridge"))["data"]) == 3
        most = 3 if db.dialect == "sqlite" else 8  # PostgreSQL: for the newest months, years, and all
        assert len(statements) <= most, statements


def test_words_are_looked_up_in_the_languages_of_articles(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "Two bridges", language="en-GB")
    make.published(client, editor, "Zwei Brücken", language="de")
    with recorded() as statements:
        assert titles(client, "bridge") == ["Two bridges"]
    asked = str([statement.parameters for statement in statements])
    assert "en·bridg" in asked
    assert "de·bridg" in asked
    assert "fr·bridg" not in asked


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_index_of_words_is_asked_however_rare_they_are(client: TestClient, editor: Headers, db: Database) -> None:
    """PostgreSQL takes no word for so rare that the newest articles would not soon have enough of it."""
    make.published(client, editor, "Ferry")
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, sql: str, values: Any, _context: Any, _many: bool) -> None:
        asked.append((sql, values))

    query = SearchQuery(q="kingfisher", count="exact")
    with db.connect() as connection:
        sa.event.listen(connection, "before_cursor_execute", listen)
        finding.search_articles(
            connection, query, parse_filters(query), ANONYMOUS, Site("https://site.example", "/{slug}")
        )
        sa.event.remove(connection, "before_cursor_execute", listen)
        searches = [(sql, values) for sql, values in asked if "@@" in sql]
        assert len(searches) >= 2
        with prefer_word_index(connection):
            for sql, values in searches:
                plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}", values).scalars())
                assert "Bitmap Index Scan on ix_search_entry_vector" in plan, plan
                assert "search_entry_pkey" not in plan, plan
        assert connection.exec_driver_sql("SHOW enable_seqscan").scalar() == "on"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_setting_of_a_search_ends_with_its_transaction(db: Database) -> None:
    def setting(connection: sa.Connection) -> object:
        return connection.exec_driver_sql("SHOW enable_seqscan").scalar_one()

    def fail(connection: sa.Connection) -> None:
        with prefer_word_index(connection):
            assert setting(connection) == "off"
            connection.exec_driver_sql("SELECT 1 / 0")

    with db.connect() as connection:
        with prefer_word_index(connection):
            assert setting(connection) == "off"
            connection.exec_driver_sql("ROLLBACK")  # what a pooler between two transactions may hand to another client
            assert setting(connection) == "on"
        for _ in range(6):  # the driver prepares what it is asked more often than five times
            with pytest.raises(DBAPIError, match="division by zero"):
                fail(connection)
            assert setting(connection) == "on"
    with db.transaction() as session:
        with prefer_word_index(session.connection()):
            assert setting(session.connection()) == "off"
        session.connection().exec_driver_sql("CREATE TEMPORARY TABLE still_writable (id INTEGER)")
    with db.transaction() as session:
        assert setting(session.connection()) == "on"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_is_lost_in_a_search_is_told_as_such(db: Database) -> None:
    def cut(connection: sa.Connection, other: sa.Connection) -> None:
        with prefer_word_index(connection):
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            other.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 10000)")
            connection.exec_driver_sql("SELECT 1")

    with db.connect() as connection, db.connect() as other, pytest.raises(DBAPIError) as lost:
        cut(connection, other)
    assert lost.value.connection_invalidated  # and so the search is tried again on another
