"""Numbers of public articles."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from app.db import Database
from app.identity.schemas import SYSTEM
from app.publication.schemas import AuthorIn, SectionIn, SeriesIn
from app.publication.tallies import Kind, adjust_counts
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS

pytestmark = pytest.mark.portable


def _counts(db: Database, kind: str) -> dict[str, int]:
    table = sa.table(kind, sa.column("slug"), sa.column("articles"))
    with db.connect() as connection:
        return {row.slug: row.articles for row in connection.execute(sa.select(table))}


@pytest.mark.parametrize("kind", ["section", "tag", "author", "series"])
def test_all_named_move_and_no_others(kind: Kind, db: Database) -> None:
    with db.transaction() as session:
        for name in "abc":
            if kind == "tag":
                TAGS.require_all(session, SYSTEM, [name])
            elif kind == "section":
                SECTIONS.create(session, SYSTEM, SectionIn(name=name))
            elif kind == "author":
                AUTHORS.create(session, SYSTEM, AuthorIn(name=name))
            else:
                SERIES.create(session, SYSTEM, SeriesIn(name=name))
        ids = {row.slug: str(row.id) for row in session.execute(sa.text(f"SELECT slug, id FROM {kind}"))}
        adjust_counts(session, kind, [ids["a"], ids["b"]], 1)
        adjust_counts(session, kind, {ids["a"]}, 2)
        adjust_counts(session, kind, [ids["b"]], -1)
        adjust_counts(session, kind, [], 1)
    assert _counts(db, kind) == {"a": 3, "b": 0, "c": 0}


@pytest.mark.both
def test_nothing_is_lost_between_many_at_once(db: Database) -> None:
    with db.transaction() as session:
        ids = TAGS.require_all(session, SYSTEM, [f"tag {number}" for number in range(20)])

    def add(_number: int) -> None:
        with db.transaction() as session:
            adjust_counts(session, "tag", ids, 1)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, range(24)))
    assert set(_counts(db, "tag").values()) == {24}


@pytest.mark.both
def test_rows_are_locked_in_the_order_of_their_ids(db: Database) -> None:
    if db.dialect == "sqlite":
        pytest.skip("there is only one writer")
    with db.transaction() as session:
        low, high = TAGS.require_all(session, SYSTEM, ["low", "high"])
    with db.transaction() as session:
        adjust_counts(session, "tag", [low], 1)  # now the table holds it behind the other one

    def both() -> None:
        with db.transaction() as session:
            adjust_counts(session, "tag", [high, low], 1)

    with ThreadPoolExecutor(1) as thread, db.connect() as other:
        with db.transaction() as session:
            adjust_counts(session, "tag", [low], 1)
            waiting = thread.submit(both)
            while not other.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one():
                assert not waiting.done()
            adjust_counts(session, "tag", [high], 1)  # a deadlock if the waiting one had locked it already
        waiting.result()
    assert _counts(db, "tag") == {"low": 3, "high": 2}
