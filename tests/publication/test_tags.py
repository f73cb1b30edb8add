"""Tags named by id, slug or name, made where there is none."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from app.core.problems import Forbidden, Invalid
from app.db import Database
from app.identity.schemas import SYSTEM, Actor, Grant
from app.publication.schemas import TagIn
from app.publication.taxonomies import TAGS

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]


def _names(db: Database) -> dict[str, str]:
    with db.connect() as connection:
        return {row.slug: row.name for row in connection.execute(sa.text("SELECT slug, name FROM tag"))}


def test_a_tag_is_known_by_id_slug_and_name(db: Database) -> None:
    with db.transaction() as session:
        one = TAGS.create(session, SYSTEM, TagIn(name="Middle East"))
        other = TAGS.create(session, SYSTEM, TagIn(name="École", slug="school"))
        found = TAGS.require_all(
            session, SYSTEM, ["École", one, "middle-east", "Middle East", "MIDDLE  east", "school"]
        )
        assert TAGS.require_all(session, SYSTEM, ["ÉCOLE"]) == [other]
        assert found == [other, one]
    assert _names(db) == {"middle-east": "Middle East", "school": "École"}


def test_unknown_names_make_new_tags_in_order(db: Database) -> None:
    with db.transaction() as session:
        one, two, three = TAGS.require_all(session, SYSTEM, ["C", "C++", "c", "news", "C++"])
        assert TAGS.require_all(session, SYSTEM, ["news", "C++", "C"]) == [three, two, one]
    assert _names(db) == {"c": "C", "c-2": "C++", "news": "news"}


def test_an_unknown_id_makes_nothing(db: Database) -> None:
    with db.transaction() as session, pytest.raises(Invalid) as caught:
        TAGS.require_all(session, SYSTEM, ["new", "0199aaaa-0000-7000-8000-000000000000"])
    assert caught.value.errors[0]["pointer"] == "/tags"
    assert _names(db) == {}


def test_what_cannot_be_a_name_is_told_by_its_place(db: Database) -> None:
    with db.transaction() as session, pytest.raises(Invalid) as caught:
        TAGS.require_all(session, SYSTEM, ["fine", "x" * 201])
    assert caught.value.errors[0]["pointer"] == "/tags/1"


def test_a_limited_key_makes_tags_only_through_articles(db: Database) -> None:
    limited = Actor("key", None, "limited", (Grant(frozenset({"content:write"}), frozenset({"somewhere"})),))
    with db.transaction() as session:
        with pytest.raises(Forbidden):
            TAGS.create(session, limited, TagIn(name="One"))
        assert len(TAGS.require_all(session, limited, ["One"])) == 1


@pytest.mark.both
def test_many_at_once_share_one_new_tag(db: Database) -> None:
    def make(name: str) -> list[str]:
        with db.transaction() as session:
            return TAGS.require_all(session, SYSTEM, [name, "Shared"])

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(make, ["Syria", "SYRIA", "syria", "Syria"] * 2))
    assert all(ids == found[0] for ids in found)
    assert len(_names(db)) == 2
