"""Sections inside sections, and their order."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from sqlmodel import Session
from starlette.testclient import TestClient

from app.db import Database
from app.identity.schemas import SYSTEM
from app.publication.schemas import SectionPatch
from app.publication.taxonomies import SECTIONS

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]
Impatient = Callable[[], AbstractContextManager[Session]]


def test_a_section_is_made_inside_another(client: TestClient, make: Make) -> None:
    world = make("sections", name="World", description="All of it", position=3)
    inner = make("sections", name="Syria", parent="world")
    assert world["parent"] is None
    assert (world["description"], world["position"]) == ("All of it", 3)
    assert inner["parent"] == {name: world[name] for name in ("id", "slug", "name", "url")}
    assert client.get("/v1/sections/syria?fields=parent.name").json() == {"parent": {"name": "World"}}
    assert [row["parent"] for row in client.get("/v1/sections").json()["data"]] == [inner["parent"], None]


def test_a_section_moves_and_leaves(make: Make, send: Send) -> None:
    make("sections", name="World")
    make("sections", name="Syria")
    moved = send("PATCH", "/v1/sections/syria", {"parent": "world"})
    assert moved.json()["parent"]["slug"] == "world"
    assert send("PATCH", "/v1/sections/syria", {"name": "S"}).json()["parent"]["slug"] == "world"
    assert send("PATCH", "/v1/sections/syria", {"parent": None}).json()["parent"] is None


def test_a_section_is_never_inside_itself(make: Make, send: Send) -> None:
    make("sections", name="A")
    make("sections", name="B", parent="a")
    make("sections", name="C", parent="b")
    for inner in "abc":
        answer = send("PATCH", "/v1/sections/a", {"parent": inner})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/parent")
        assert answer.json()["errors"][0]["code"] == "circular"
    assert send("PATCH", "/v1/sections/c", {"parent": "a"}).status_code == 200


@pytest.mark.both
def test_two_moves_at_once_never_make_a_ring(make: Make, db: Database, impatient: Impatient) -> None:
    for name, parent in ("C", None), ("B", "c"), ("A", None), ("D", "a"):
        make("sections", name=name, parent=parent)
    with db.transaction() as first:
        SECTIONS.update(first, SYSTEM, "a", SectionPatch(parent="b"), None)
        with pytest.raises(sa.exc.OperationalError), impatient() as second:
            SECTIONS.update(second, SYSTEM, "c", SectionPatch(parent="d"), None)


def test_a_parent_must_be_there(make: Make, send: Send) -> None:
    make("sections", name="A")
    answer = send("POST", "/v1/sections", {"name": "B", "parent": "none"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/parent")
    assert send("PATCH", "/v1/sections/a", {"parent": "none"}).status_code == 422


def test_a_section_with_sections_inside_cannot_be_deleted(make: Make, send: Send) -> None:
    make("sections", name="A")
    make("sections", name="B", parent="a")
    answer = send("DELETE", "/v1/sections/a")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert send("DELETE", "/v1/sections/b").status_code == 204
    assert send("DELETE", "/v1/sections/a").status_code == 204


def test_sections_are_listed_as_the_publication_has_them(client: TestClient, make: Make) -> None:
    for name, position in ("A", 2), ("B", 1), ("C", 1):
        make("sections", name=name, position=position)
    first = client.get("/v1/sections?sort=position&limit=2").json()
    assert [row["name"] for row in first["data"]] == ["B", "C"]
    rest = client.get(f"/v1/sections?sort=position&limit=2&cursor={first['page']['next']}").json()
    assert [row["name"] for row in rest["data"]] == ["A"]


def test_positions_are_bounded(send: Send) -> None:
    for position in (-1, 1_000_000, 2**63, "1", 1.5):
        assert send("POST", "/v1/sections", {"name": "A", "position": position}).status_code == 422


def test_a_child_shows_its_parents_new_name_and_says_so_to_caches(client: TestClient, make: Make, send: Send) -> None:
    make("sections", name="World")
    make("sections", name="Syria", parent="world")
    send("PATCH", "/v1/sections/world", {"name": "Planet"})
    answer = client.get("/v1/sections/syria")
    assert answer.json()["parent"]["name"] == "Planet"
    assert "sections" in answer.headers["surrogate-key"].split()
