"""Secrets: made once, salts that pass, and tokens that only this server can make."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.core.problems import Unavailable
from app.db import Database, open_database
from app.db.columns import table_of
from app.identity.secrets import GUEST_PREFIX, SALT_PERIOD, Vault, is_rotation_due, read_secrets, rotate_secrets
from app.identity.tables import Secret
from app.identity.tokens import is_well_formed, make_token

START = datetime(2026, 3, 5, tzinfo=UTC)


def filled(db: Database) -> Vault:
    vault = Vault()
    with db.transaction() as session:
        vault.fill(session)
    return vault


def secrets_of(db: Database) -> dict[str, str]:
    with db.connect() as connection:
        return read_secrets(connection)


def test_processes_that_start_at_once_share_one_secret(database_url: str, db: Database) -> None:
    barrier = threading.Barrier(4)

    def start(_: int) -> tuple[str, str]:
        async def run() -> tuple[str, str]:
            own = open_database(database_url)
            await own.start()
            vault = Vault()
            barrier.wait(20)
            await vault.load(own)
            await own.stop()
            return vault.public_id("x"), vault.hash_address("192.0.2.1")[0]

        return asyncio.run(run())

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(start, range(4)))) == 1
    assert len(secrets_of(db)) == 2


def test_the_app_has_a_vault_that_outlives_it(client: TestClient, db: Database) -> None:
    before = client.app.state.services.vault.public_id("x")  # type: ignore[attr-defined]
    assert filled(db).public_id("x") == before


def test_salts_pass_and_the_site_keeps_its_secret(db: Database) -> None:
    with time_machine.travel(START, tick=False) as clock:
        vault = filled(db)
        first, site = vault.hash_address("192.0.2.1"), vault.public_id("x")
        assert first[1] is None
        clock.shift(SALT_PERIOD)
        assert vault.hash_address("192.0.2.1") == (first[0], None)  # not refreshed yet: still comparable
        second = (vault := filled(db)).hash_address("192.0.2.1")
        assert (second[0] != first[0], second[1]) == (True, first[0])
        clock.shift(SALT_PERIOD)
        third = (vault := filled(db)).hash_address("192.0.2.1")
        assert third[1] == second[0]
        assert first[0] not in third
        assert vault.public_id("x") == site
        assert len(secrets_of(db)) == 3


def test_a_salt_is_gone_after_its_time(db: Database) -> None:
    with time_machine.travel(START, tick=False) as clock:
        with db.connect() as connection:
            assert is_rotation_due(connection)
        filled(db)
        old = set(secrets_of(db).values())
        clock.shift(SALT_PERIOD * 5)
        with db.connect() as connection:
            assert is_rotation_due(connection)
        with db.transaction() as session:
            assert rotate_secrets(session) == 2  # one made, one deleted
        with db.connect() as connection:
            assert not is_rotation_due(connection)
        with db.transaction() as session:
            assert rotate_secrets(session) == 0
        assert len(old & set(secrets_of(db).values())) == 1


def test_nothing_works_before_it_is_loaded() -> None:
    vault = Vault()
    for call in (
        lambda: vault.make_edit_token(new_id()),
        lambda: vault.read_edit_token("be_" + "0" * 96),
        lambda: vault.derive_guest_token("n"),
        lambda: vault.public_id("x"),
        lambda: vault.hash_address("192.0.2.1"),
    ):
        with pytest.raises(Unavailable):
            call()


def test_a_store_that_is_away_does_not_stop_the_start(tmp_path) -> None:  # type: ignore[no-untyped-def]
    async def run() -> None:
        db = open_database(f"sqlite:///{tmp_path / 'empty.db'}")  # has no tables
        await db.start()
        vault = Vault()
        await vault.start(db)
        with pytest.raises(Unavailable):
            vault.public_id("x")
        await vault.stop()
        await db.stop()

    asyncio.run(run())


def test_salts_that_cannot_be_turned_are_better_than_none(db: Database) -> None:
    async def run() -> None:
        vault = Vault()

        async def refuse(*_: object) -> None:
            raise sa.exc.OperationalError(None, None, RuntimeError("read only"))

        await db.start()
        db.write = refuse  # type: ignore[method-assign, assignment]
        await vault.load(db)
        assert vault.hash_address("192.0.2.1")[1] is None

    with time_machine.travel(START, tick=False) as clock:
        filled(db)
        clock.shift(SALT_PERIOD)
        asyncio.run(run())


@pytest.mark.parametrize("periods", [-5, 5])
def test_a_clock_that_was_set_leaves_the_loaded_salts_in_use(db: Database, periods: int) -> None:
    with time_machine.travel(START, tick=False) as clock:
        vault = filled(db)
        before = vault.hash_address("192.0.2.1"), vault.hash_ranges("192.0.2.1")
        clock.shift(periods * SALT_PERIOD)
        assert (vault.hash_address("192.0.2.1"), vault.hash_ranges("192.0.2.1")) == before


@pytest.fixture(scope="module")
def vault() -> Iterator[Vault]:
    """A vault without a store."""
    found = Vault()
    salt = f"salt-{int(START.timestamp() // SALT_PERIOD.total_seconds())}"
    found._secrets = {"site": "11" * 32, salt: "22" * 32}
    with time_machine.travel(START, tick=False):
        yield found


def test_an_edit_token_is_for_one_comment(vault: Vault) -> None:
    one, other = new_id(), new_id()
    token = vault.make_edit_token(one)
    assert len(token) == 3 + 32 + 64
    assert vault.read_edit_token(token) == one
    assert vault.make_edit_token(one) == token != vault.make_edit_token(other)
    assert vault.read_edit_token(token[:3] + other.replace("-", "") + token[35:]) is None
    for wrong in ("", "be_", token[:-1], token + "0", token.upper(), "bg_" + token[3:], token[:-1] + "ä", f" {token}"):
        assert vault.read_edit_token(wrong) is None
    stranger = Vault()
    stranger._secrets = {"site": "33" * 32}
    assert stranger.read_edit_token(token) is None


@given(place=st.integers(3, 98), letter=st.sampled_from("0123456789abcdef"))
def test_an_edit_token_that_was_changed_is_none(vault: Vault, place: int, letter: str) -> None:
    token = vault.make_edit_token("0199aaaa-0000-7000-8000-000000000000")
    changed = token[:place] + letter + token[place + 1 :]
    assert (vault.read_edit_token(changed) is None) == (changed != token)


def test_the_same_nonce_gives_the_same_guest(vault: Vault) -> None:
    assert vault.derive_guest_token("a") == vault.derive_guest_token("a") != vault.derive_guest_token("b")
    assert make_token(GUEST_PREFIX) != make_token(GUEST_PREFIX)
    for token in (vault.derive_guest_token("a"), make_token(GUEST_PREFIX)):
        assert is_well_formed(GUEST_PREFIX, token)
        assert not is_well_formed(GUEST_PREFIX, token[:-1] + ("0" if token[-1] != "0" else "1"))
        assert not is_well_formed(GUEST_PREFIX, "bs_" + token[3:])


def test_what_is_derived_for_one_purpose_is_nothing_for_another(vault: Vault) -> None:
    one = new_id()
    derived = {vault.make_edit_token(one)[35:], vault.derive_guest_token(one)[3:67], vault.hash_address(one)[0]}
    assert len({text[:32] for text in derived} | {vault.public_id(one)}) == 4


def test_addresses_count_by_household(vault: Vault) -> None:
    def hashed(address: str) -> str:
        return vault.hash_address(address)[0]

    assert hashed("2001:db8:1:2::1") == hashed("2001:db8:1:2:ffff::9") != hashed("2001:db8:1:3::1")
    assert hashed("192.0.2.1") == hashed("::ffff:192.0.2.1") != hashed("192.0.2.2")
    assert "192.0.2.1" not in hashed("192.0.2.1")
    assert len(hashed("192.0.2.1")) == 64


def test_secrets_are_random(db: Database) -> None:
    filled(db)
    values = list(secrets_of(db).values())
    assert len(set(values)) == len(values) == 2
    assert {len(value) for value in values} == {64}
    with db.connect() as connection:
        made = connection.execute(sa.select(table_of(Secret).c.created_at)).scalars()
        assert all(abs(moment - datetime.now(UTC)) < timedelta(hours=1) for moment in made)
