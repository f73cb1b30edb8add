"""The tree of sections: every path is kept, and numbers of articles move with the sections that hold them."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlmodel import Session
from starlette.testclient import TestClient

from app.core.problems import Invalid
from app.core.settings import Settings
from app.db import Database
from app.db.base import WriteSession
from app.identity.schemas import SYSTEM
from app.publication.schemas import SectionIn, SectionPatch
from app.publication.section_tree import find_ancestors, find_descendants
from app.publication.tallies import adjust_counts
from app.publication.taxonomies import SECTIONS
from app.publication.terms import InUse
from tests.make import act, ok, patched, published
from tests.receiver import work_through

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]
VERBS = ["create", "create", "move", "move", "move", "delete", "article"]
steps = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 6), st.integers(0, 7)), min_size=5, max_size=40)


class Model:
    """What the tree should be: the parent of each section, and the articles right in it."""

    def __init__(self) -> None:
        self.parents: dict[str, str | None] = {}
        self.articles: dict[str, int] = {}
        self.made: set[str] = set()

    def above(self, name: str) -> list[str]:
        """A section and those that it is inside of, from the inside out."""
        found, at = [], self.parents[name]
        while at is not None:
            found.append(at)
            at = self.parents[at]
        return [name, *found]

    def apply(self, session: Session, verb: str, which: int, where: int) -> None:
        """One step, in the store and here; what must be refused is."""
        known = sorted(self.parents)
        if not known and verb != "create":
            return
        parent = [None, *known][where % (len(known) + 1)]
        name = f"s{len(self.made)}" if verb == "create" else known[which % len(known)]
        self.made.add(name)
        if verb == "create":
            SECTIONS.create(session, SYSTEM, SectionIn(name=name, parent=parent))
            self.parents[name], self.articles[name] = parent, 0
        elif verb == "move" and parent is not None and name in self.above(parent):
            with pytest.raises(Invalid):
                SECTIONS.update(session, SYSTEM, name, SectionPatch(parent=parent), None)
        elif verb == "move":
            SECTIONS.update(session, SYSTEM, name, SectionPatch(parent=parent), None)
            self.parents[name] = parent
        elif verb == "article":
            ids = {row.slug: row.id for row in session.execute(sa.text("SELECT slug, id FROM section"))}
            adjust_counts(session, "section", [ids[name]], 1)
            self.articles[name] += 1
        elif name in self.parents.values():
            with pytest.raises(InUse), session.begin_nested():
                SECTIONS.delete(session, SYSTEM, name, None)
        else:
            SECTIONS.delete(session, SYSTEM, name, None)
            outside = [one for one in self.above(name) if one != name]
            if outside and self.articles[name]:
                # the articles of a real section are gone before it can be
                ids = {row.slug: row.id for row in session.execute(sa.text("SELECT slug, id FROM section"))}
                adjust_counts(session, "section", [ids[outside[0]]], -self.articles[name])
            del self.parents[name], self.articles[name]

    def check(self, connection: sa.Connection | Session) -> None:
        """The store says the same."""
        rows = connection.execute(sa.text("SELECT id, slug, articles FROM section")).all()
        ids, slugs = {row.slug: str(row.id) for row in rows}, {str(row.id): row.slug for row in rows}
        assert ids.keys() == self.parents.keys()
        for name in self.parents:
            inside = {one for one in self.parents if name in self.above(one)}
            assert [slugs[one] for one in find_ancestors(connection, ids[name])] == self.above(name)
            assert {slugs[one] for one in find_descendants(connection, [ids[name]])} == inside
            counted = next(row.articles for row in rows if row.slug == name)
            assert counted == sum(self.articles[one] for one in inside)
        assert find_descendants(connection, []) == set()


@given(steps)
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_tree_is_that_of_the_model(db: Database, steps: list[tuple[str, int, int]]) -> None:
    with db.engines()[1].connect() as connection, connection.begin() as transaction:
        with WriteSession(connection) as session:
            model = Model()
            for step in steps:
                model.apply(session, *step)
                session.flush()
                model.check(session)
        transaction.rollback()


def test_a_parent_counts_what_is_inside_of_it_once(client: TestClient, make: Make, send: Send, editor: Any) -> None:
    def counts() -> dict[str, int]:
        return {row["slug"]: row["articles"] for row in client.get("/v1/sections").json()["data"]}

    for name, parent in ("World", None), ("Asia", "world"), ("Japan", "asia"), ("Sport", None):
        make("sections", name=name, parent=parent)
    tokyo = published(client, editor, "Tokyo", section="japan")
    published(client, editor, "All", section="world")
    assert counts() == {"world": 2, "asia": 1, "japan": 1, "sport": 0}
    assert send("PATCH", "/v1/sections/asia", {"parent": "sport"}).status_code == 200
    assert counts() == {"world": 1, "asia": 1, "japan": 1, "sport": 1}
    patched(client, editor, tokyo, section="world")
    act(client, editor, tokyo, "publish")
    assert counts() == {"world": 2, "asia": 0, "japan": 0, "sport": 0}
    act(client, editor, tokyo, "unpublish")
    assert counts() == {"world": 1, "asia": 0, "japan": 0, "sport": 0}


def test_paths_that_a_former_release_did_not_write_are_repaired(
    client: TestClient, db: Database, settings: Settings, editor: dict[str, str]
) -> None:
    names, parent = ["World", "Asia", "Japan"], None
    for name in names:
        parent = ok(client.post("/v1/sections", json={"name": name, "parent": parent}, headers=editor), 201)["slug"]
    article = published(client, editor, section="japan")["id"]
    work_through(settings)
    before = client.get(f"/v1/articles/{article}").json()
    with db.transaction() as session:
        session.execute(sa.text("UPDATE section SET path = '' WHERE slug <> 'world'"))
    work_through(settings)
    with db.connect() as connection:
        paths = connection.execute(sa.text("SELECT path FROM section ORDER BY path")).scalars().all()
        told = connection.execute(sa.text("SELECT count(*) FROM event WHERE type = 'section.changed'")).scalar_one()
    assert paths == ["world", "world/asia", "world/asia/japan"]
    assert told == len(names) + 2
    assert client.get(f"/v1/articles/{article}").json() == before
