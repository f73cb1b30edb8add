"""Which role sees what that is not public: people with roles, and authors of comments that nobody else sees."""

import random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from app.db import Database
from tests import make
from tests.effort import IS_LONG, Portion
from tests.flows.test_private import CANARY, World, addresses, words, world
from tests.flows.test_private_discussion import World as Discussion
from tests.flows.test_private_discussion import crawl
from tests.flows.test_private_discussion import world as discussion

__all__ = ["discussion", "world"]  # fixtures
CLOSED = {"draft", "unpublished", "scheduled", "embargoed", "expired", "retracted", "revision", "origin", "notice"}
CLOSED |= {"moved", "question", "note", "task", "submitted", "release"}
"""What is planted in the section `closed`, or came from there, or goes there."""
TABLE: dict[str, tuple[dict[str, list[str] | None], set[str]]] = {
    "reporter of another section": ({"reporter": ["open"]}, set()),
    "editor of another section": ({"editor": ["open"]}, set()),
    "desk of another section": ({"desk": ["open"]}, set()),
    "moderator": ({"moderator": None}, set()),
    "reporter of the section": ({"reporter": ["closed"]}, CLOSED - {"origin"}),
    "editor of the section who moderates all": ({"editor": ["closed"], "moderator": None}, CLOSED - {"origin"}),
    "editor": ({"editor": None}, CLOSED | {"front"}),
}


def kinds_of(found: set[str], kinds: set[str]) -> set[str]:
    """The kinds that words belong to; a word of none is a kind of its own."""
    return {next((kind for kind in kinds if f"{CANARY}{kind}" in word), word) for word in found}


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # who may see what is the same code
def test_people_see_what_their_roles_allow(
    capsys: pytest.CaptureFixture[str], client: TestClient, world: World, db: Database, admin: make.Headers
) -> None:
    """One of them in a hundredth of what can be asked; with `LONG=1` all in all of it, where each sees all it may."""
    everywhere, tokens = list(addresses(client, world)), list[str]()
    for name in TABLE if IS_LONG else random.sample(sorted(TABLE), 1):
        grants, allowed = TABLE[name]
        person = make.person(client, db, name.replace(" ", "-"), **grants)
        tokens.append(person.headers["Authorization"].removeprefix("Bearer "))
        seen, asked, own = set[str](), Portion(1), f"/v1/articles/{world.hidden[0]['id']}"
        for url in everywhere:
            if url in asked or url == own:
                answer = client.get(url, headers=person.headers, follow_redirects=False)
                link = answer.headers.get("Link", "") if CANARY in url else ""  # the words of the question
                head = "\n".join(f"{field}: {value}" for field, value in answer.headers.items()).replace(link, "")
                new = kinds_of(words(f"{answer.text}\n{head}"), allowed)
                assert new <= allowed, (name, url, new - allowed)
                seen |= new
        assert seen or not allowed, f"{name} saw nothing"
        assert not IS_LONG or seen == allowed, (name, allowed - seen)
    assert not words(client.get("/metrics", headers=admin).text)
    assert not words(capsys.readouterr().err), "no line of the log has a word of them"
    with db.connect() as connection:
        tables = [connection.execute(sa.select(table)).all() for table in SQLModel.metadata.sorted_tables]
    stored = repr(tables)
    assert not [token for token in (*tokens, world.secrets[0], world.secrets[1]) if token in stored], "hashes alone"


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_authors_see_their_own_alone(client: TestClient, discussion: Discussion) -> None:
    told = {"pending": {"phrase"}, "rejected": {"reason", "appeal"}, "spam": {"reason"}, "removed": {"reason"}}
    for kind, more in told.items():
        own: dict[str, Any] = discussion.hidden[kind]
        seen, allowed = set[str](), {kind, *more}
        for url, answer in crawl(client, discussion, make.bearer(own["guest_token"]), 10):
            new = kinds_of(words(answer.text), allowed)
            assert new <= allowed, (kind, url, new - allowed)
            seen |= new
        mine = make.ok(client.get("/v1/me/comments", headers=make.bearer(own["guest_token"])))
        assert kinds_of(words(repr(mine)), allowed) >= {kind} - {"removed"}
