"""API keys: what is stored of them, what they may do, and how long they work."""

import asyncio
import re
import zlib
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import SQLModel

from app.core.problems import Invalid, NotFound, Unauthorized
from app.db import Database, Overloaded
from app.identity import keys
from app.identity.keys import (
    KEY_PREFIX,
    KeyRing,
    create_api_key,
    find_api_key,
    find_api_key_by_hash,
    revoke_api_key,
)
from app.identity.schemas import SCOPES, SYSTEM, Actor, Grant, Scope
from app.identity.tokens import hash_token, is_well_formed
from app.people.grants import find_grants_of_owner
from app.publication.section_tree import find_descendants
from tests.conftest import sqlite_store

pytestmark = pytest.mark.portable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Headers = dict[str, str]


def make(
    db: Database, expires_at: datetime | None = None, scopes: tuple[str, ...] = ("content:read",)
) -> tuple[str, str]:
    with db.transaction() as session:
        return create_api_key(session, SYSTEM, "for tests", list(scopes), None, expires_at)


def test_a_key_is_a_prefix_random_bytes_and_a_checksum(db: Database) -> None:
    keys = [make(db)[1] for _ in range(3)]
    assert len(set(keys)) == 3
    for key in keys:
        assert re.fullmatch(r"bs_[0-9a-f]{72}", key)
        assert f"{zlib.crc32(key[3:67].encode()):08x}" == key[67:]
        assert is_well_formed(KEY_PREFIX, key)


KEY = "bs_" + "0" * 64 + f"{zlib.crc32(b'0' * 64):08x}"


@given(st.integers(0, len(KEY) - 1), st.characters())
def test_a_mistyped_key_is_recognised_as_such(place: int, character: str) -> None:
    typed = KEY[:place] + character + KEY[place + 1 :]
    assert is_well_formed(KEY_PREFIX, typed) == (typed == KEY)


@pytest.mark.parametrize("key", ["", "bs_", KEY[3:], KEY + "0", KEY[:-1], "BS_" + KEY[3:], "bs_" + KEY])
def test_what_is_no_key(key: str) -> None:
    assert is_well_formed(KEY_PREFIX, KEY)
    assert not is_well_formed(KEY_PREFIX, key)


def test_the_key_itself_is_stored_nowhere(db: Database, request: pytest.FixtureRequest) -> None:
    _, key = make(db)
    stored = b""
    with db.connect() as connection:
        for table in SQLModel.metadata.sorted_tables:
            stored += repr(connection.execute(sa.select(table)).all()).encode()
        row = find_api_key_by_hash(connection, hash_token(key))
    path = db.engines()[0].url.database
    if db.dialect == "sqlite" and path:
        request.addfinalizer(sqlite_store.close)  # to close a file ends what locks this process has on it
        for suffix in ("", "-wal"):
            with open(path + suffix, "rb") as file:
                stored += file.read()
    assert hash_token(key).encode() in stored
    assert row is not None
    assert key.startswith(row["hint"])
    assert len(row["hint"]) == 9
    for secret in (key, key[3:], key[3:67], key[35:67]):
        assert secret.encode() not in stored


def key_ring(db: Database) -> KeyRing:
    return KeyRing(db, find_descendants, find_grants_of_owner)


def test_a_key_names_its_owner_and_scopes(db: Database) -> None:
    key_id, key = make(db, scopes=("content:write", "content:read", "content:read"))

    async def story() -> None:
        await db.start()
        assert await key_ring(db).identify(key) == Actor(
            "key", key_id, "for tests", (Grant(frozenset({"content:read", "content:write"})),)
        )
        for wrong in ("", "bs_x", KEY, key[:-1], key + "x"):
            with pytest.raises(Unauthorized):
                await key_ring(db).identify(wrong)

    asyncio.run(story())


def test_a_key_ends_at_its_time(db: Database) -> None:
    async def story() -> None:
        await db.start()
        with time_machine.travel(NOON, tick=False) as clock:
            _, key = make(db, NOON + timedelta(hours=1))
            ring = key_ring(db)
            clock.shift(3599)
            assert (await ring.identify(key)).kind == "key"
            clock.shift(1)
            with pytest.raises(Unauthorized):  # also while it is remembered
                await ring.identify(key)
            with pytest.raises(Unauthorized):
                await key_ring(db).identify(key)

    asyncio.run(story())


def test_a_revoked_key_is_refused_everywhere_within_a_second(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id, key = make(db)

    async def story() -> None:
        await db.start()
        clock = [1000.0]
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0], raising=False)
        here, there = (
            key_ring(db),
            key_ring(db),
        )
        for ring in (here, there):
            await ring.identify(key)
        await db.write(revoke_api_key, SYSTEM, key_id)
        clock[0] += keys.KEY_CACHE_SECONDS + 0.001
        assert keys.KEY_CACHE_SECONDS <= 1
        for ring in (here, there, key_ring(db)):
            with pytest.raises(Unauthorized):
                await ring.identify(key)
        monkeypatch.undo()

    asyncio.run(story())


def test_a_busy_key_is_looked_up_once_a_second(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = make(db)
    looked: list[str] = []

    def look(connection: sa.Connection, hashed: str) -> object:
        looked.append(hashed)
        return find_api_key_by_hash(connection, hashed)

    async def story() -> None:
        await db.start()
        monkeypatch.setattr(keys, "find_api_key_by_hash", look)
        ring = key_ring(db)
        clock = [1000.0]
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0], raising=False)
        for _ in range(50):
            await ring.identify(key)
        assert len(looked) == 1
        clock[0] += 1.1
        await ring.identify(key)
        assert len(looked) == 2
        monkeypatch.undo()

    asyncio.run(story())


def test_the_last_use_is_noted_to_the_minute(db: Database) -> None:
    def last_used() -> datetime | None:
        with db.connect() as connection:
            row = find_api_key(connection, key_id)
            return row["last_used_at"] if row else None

    async def story() -> None:
        await db.start()
        ring = key_ring(db)
        with time_machine.travel(NOON, tick=False) as clock:
            await asyncio.gather(*(ring.identify(key) for _ in range(5)))
            assert last_used() == NOON
            clock.shift(59)
            await ring.identify(key)
            assert last_used() == NOON
            clock.shift(2)
            await ring.identify(key)
            assert last_used() == NOON + timedelta(seconds=61)

    key_id, key = make(db)
    assert last_used() is None
    asyncio.run(story())


def test_a_store_that_takes_no_writes_does_not_shut_readers_out(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = make(db)

    async def refuse(*_: object) -> None:
        raise Overloaded("full")

    async def story() -> None:
        await db.start()
        monkeypatch.setattr(db, "write", refuse)
        assert (await key_ring(db).identify(key)).kind == "key"

    asyncio.run(story())


def granted(*grants: tuple[Scope, str | None]) -> Actor:
    return Actor("key", grants=tuple(Grant(frozenset({scope}), part and frozenset(part)) for scope, part in grants))


def test_admin_has_every_scope_and_others_have_their_own() -> None:
    assert all(granted(("admin", None)).may(scope) for scope in SCOPES)
    assert [scope for scope in SCOPES if granted(("content:read", None)).may(scope)] == ["content:read"]
    assert not any(Actor("anonymous").may(scope) for scope in SCOPES)


def test_a_scope_holds_in_the_sections_that_it_was_given_for() -> None:
    everywhere, limited = granted(("content:read", None)), granted(("content:read", "a"))
    assert [everywhere.may_in("content:read", section) for section in ("a", "b", None)] == [True] * 3
    assert [limited.may_in("content:read", section) for section in ("a", "b", None)] == [True, False, False]
    mixed = granted(("content:read", "a"), ("content:publish", "b"), ("comments:moderate", None))
    assert [mixed.may_in("content:publish", section) for section in ("a", "b", None)] == [False, True, False]
    assert [mixed.reads_drafts_in(section) for section in ("a", "b", None)] == [True, False, False]
    assert (mixed.draft_sections, mixed.sections_for("comments:moderate")) == (frozenset("a"), None)
    assert (mixed.sections_for("content:publish"), mixed.sections_for("admin")) == (frozenset("b"), frozenset())
    writer = granted(("content:write", "a"), ("content:write", "b"), ("syndicate", None))
    assert writer.draft_sections == frozenset("ab"), "syndicate takes away what it is given with, and nothing else"


def test_what_cannot_be_made_or_ended(db: Database) -> None:
    with pytest.raises(Invalid, match="past"):
        make(db, datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(Invalid, match="cannot be limited"), db.transaction() as session:
        create_api_key(session, SYSTEM, "x", ["admin"], ["01890000-0000-7000-8000-000000000000"])
    with pytest.raises(NotFound), db.transaction() as session:
        revoke_api_key(session, SYSTEM, "01890000-0000-7000-8000-000000000000")
