"""All links anew, beside a server and over a stop."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.db import Database
from app.related import linking, rebuilding
from app.related.linking import LINK
from app.related.rebuilding import advance_rebuild, begin_rebuild
from bench.statements import recorded
from tests import make
from tests.make import Headers
from tests.related.conftest import COURT, FERRY, LAWS, PORT, related, titles

Publish = Callable[..., dict[str, Any]]
Work = Callable[[], None]


def _batches(db: Database, most: int = 1000) -> list[str]:
    steps: list[str] = []
    while len(steps) < most:
        with db.transaction() as session:
            done = advance_rebuild(session)
        if not done.step:
            break
        steps.append(done.step)
    return steps


@pytest.fixture
def town(publish: Publish) -> list[dict[str, Any]]:
    """Four articles that the worker has not heard of."""
    return [publish(*row) for row in (("Ferry", FERRY), ("Port", PORT), ("Court", COURT), ("Laws", LAWS))]


def test_articles_of_before_get_their_links(client: TestClient, town: list[dict[str, Any]], db: Database) -> None:
    with db.transaction() as session:
        assert begin_rebuild(session)
    assert list(dict.fromkeys(_batches(db))) == ["texts", "weights", "links"]
    assert [titles(client, one) for one in town] == [["Port"], ["Ferry"], ["Laws"], ["Court"]]


def test_a_stopped_one_goes_on_and_the_links_stand_meanwhile(
    client: TestClient,
    editor: Headers,
    town: list[dict[str, Any]],
    db: Database,
    work: Work,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work()
    monkeypatch.setattr(rebuilding, "BATCH_SIZE", 1)
    with db.transaction() as session:
        assert begin_rebuild(session)
    assert _batches(db, 2) == ["texts", "texts"]
    assert [titles(client, one) for one in town] == [["Port"], ["Ferry"], ["Laws"], ["Court"]]
    with db.transaction() as session:
        assert not begin_rebuild(session)
    make.act(client, editor, town[1], "unpublish")  # while the server runs on
    late = publish("Late", PORT)
    work()
    assert _batches(db)[0] == "texts"
    assert [titles(client, one) for one in (*town[:1], late, *town[2:])] == [["Late"], ["Ferry"], ["Laws"], ["Court"]]
    with db.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(LINK)).scalar_one() == 4


def test_no_reason_is_told_that_the_text_may_have_lost(
    client: TestClient, editor: Headers, town: list[dict[str, Any]], db: Database, work: Work
) -> None:
    def told() -> list[str]:
        return [term for one in town for row in related(client, one) for term in row["reason"]["terms"]]

    work()
    assert told()
    make.act(client, editor, make.patched(client, editor, town[0], body={"markdown": LAWS}), "publish")
    with db.transaction() as session:
        begin_rebuild(session)
    while True:  # before the worker has heard of the change
        assert not told()
        with db.transaction() as session:
            if advance_rebuild(session).step == "links":
                break
    _batches(db)
    work()
    ferry = {term.lower() for row in related(client, town[1]) for term in row["reason"]["terms"]}
    assert told()
    assert not any("ferry" in row["reason"]["text"].lower() for row in related(client, town[0])), ferry


def test_stale_lists_are_found_by_their_index(db: Database) -> None:
    with db.connect() as connection, recorded() as statements:
        assert connection.execute(linking.STALE_LIST).all() == []
        assert linking.list_stale(connection, 4) == []
    if db.dialect == "sqlite":
        for statement in statements:
            with db.connect() as connection:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters).all()
            assert "ix_related_text_stale" in str(plan)
