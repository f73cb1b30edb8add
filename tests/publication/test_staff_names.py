"""Names of staff: who looks like one of them may not write under that name."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from starlette.testclient import TestClient

from app.db import Database
from app.db.columns import table_of
from app.identity.keys import create_api_key, revoke_api_key
from app.identity.schemas import SYSTEM
from app.identity.tables import ApiKey
from app.people.staff_names import is_staff_name
from app.publication.tables import Author
from tests import make as make_one

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]
ALIKE = ["Ann Marlow", "ann marlow", "АNN МARLОW", "Ann  Marlοw.", "A\u200bnn Mar1ow", "Ánn Marlow"]


def is_taken(db: Database, name: str, site: str = "") -> bool:
    with db.connect() as connection:
        return is_staff_name(connection, name, site)


@pytest.mark.parametrize("name", ALIKE)
def test_an_authors_name_is_reserved(name: str, make: Make, db: Database) -> None:
    make("authors", name="Ann Marlow")
    assert is_taken(db, name)
    assert not is_taken(db, "Ann Barlow")


@pytest.mark.parametrize("name", ALIKE)
def test_a_keys_name_is_reserved_while_it_works(name: str, db: Database) -> None:
    with db.transaction() as session:
        key_id, _ = create_api_key(session, SYSTEM, "Ann Marlow", ["content:read"])
    assert is_taken(db, name)
    with db.transaction() as session:
        revoke_api_key(session, SYSTEM, key_id)
    assert not is_taken(db, name)


def test_the_publications_name_is_reserved(db: Database) -> None:
    assert is_taken(db, "the harb0ur", "The Harbour")
    assert not is_taken(db, "The Harbour", "Another")
    assert not is_taken(db, "…", "…")  # what has no letter is like nothing


def test_a_greek_name_is_reserved_in_any_case(make: Make, db: Database) -> None:
    make("authors", name="Νίκη Ηλία")
    for name in ("Νίκη Ηλία", "ΝΊΚΗ ΗΛΊΑ", "νικη ηλια"):
        assert is_taken(db, name)


def test_a_name_that_changes_moves_its_reservation(make: Make, send: Send, db: Database) -> None:
    make("authors", name="Ann Marlow", slug="ann")
    assert send("PATCH", "/v1/authors/ann", {"name": "Ann Vale"}).status_code == 200
    assert (is_taken(db, "Ann Marlow"), is_taken(db, "ann vale")) == (False, True)
    assert send("PATCH", "/v1/authors/ann", {"website": "https://ann.example"}).status_code == 200
    assert is_taken(db, "ann vale")


def test_what_a_name_looks_like_is_nobodys_field(make: Make, send: Send) -> None:
    assert "skeleton" not in make("authors", name="Ann Marlow", slug="ann")
    stale = send("PATCH", "/v1/authors/ann", {"name": "Ann Vale"}, headers={"If-Match": '"v9"'})
    assert stale.status_code == 412
    assert stale.json()["fields"] == ["name"]


def test_it_is_asked_in_one_statement_by_index(db: Database, make: Make) -> None:
    make("authors", name="Ann Marlow")
    seen: list[tuple[str, Any]] = []

    def note(_conn: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        seen.append((statement, parameters))

    with db.connect() as connection:
        sa.event.listen(connection.engine, "before_cursor_execute", note)
        is_staff_name(connection, "Ann Marlow", "The Harbour")
        sa.event.remove(connection.engine, "before_cursor_execute", note)
        assert len(seen) == 1
        if db.dialect == "sqlite":
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {seen[0][0]}", seen[0][1]).all()
            used = " ".join(str(row[-1]) for row in plan)
            assert "ix_author_skeleton" in used
            assert "ix_api_key_skeleton" in used
            assert "ix_person_skeleton" in used
    for table in (table_of(Author), table_of(ApiKey)):
        assert "skeleton" in {column.name for index in table.indexes for column in index.columns}


def test_a_persons_name_is_reserved_until_they_are_deleted(client: TestClient, db: Database, admin: Any) -> None:
    ann = make_one.person(client, db, "Ann Marlow")
    assert all(is_taken(db, name) for name in ALIKE)
    assert client.delete(f"/v1/people/{ann.id}", headers=admin).status_code == 204
    assert not is_taken(db, "Ann Marlow")
