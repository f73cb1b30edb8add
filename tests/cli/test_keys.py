import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.core.clock import now
from app.identity.keys import KEY_PREFIX, PUBLISHABLE_PREFIX
from app.identity.tokens import hash_token, is_well_formed

pytestmark = pytest.mark.portable

Broadsheet = Callable[..., Any]
Sql = Callable[[str, str], list[tuple[Any, ...]]]


def made(broadsheet: Broadsheet, *arguments: str) -> str:
    ended = broadsheet("keys", "create", *arguments)
    assert ended.status == 0, ended.err
    return ended.out.splitlines()[-1]


def test_the_last_line_is_a_working_key(broadsheet: Broadsheet, sql: Sql, store: str) -> None:
    key = made(broadsheet, "--name", "CI [red]", "--scope", "content:write", "--scope", "content:read")
    assert is_well_formed(KEY_PREFIX, key)
    [(hash_, scopes, sections, expires)] = sql(store, "SELECT hash, scopes, sections, expires_at FROM api_key")
    assert hash_ == hash_token(key)
    assert (json.loads(scopes) if isinstance(scopes, str) else scopes) == ["content:read", "content:write"]
    assert (sections, expires) == (None, None)
    assert [row[0] for row in sql(store, "SELECT action FROM audit")] == ["key.create"]
    listed = broadsheet("keys", "list")
    assert key not in listed.out
    assert key[:9] in listed.out
    assert "CI [red]" in listed.out
    assert "active" in listed.out


def test_keys_are_revoked_by_id_and_by_hint(broadsheet: Broadsheet, sql: Sql, store: str) -> None:
    first, second = (made(broadsheet, "--name", name, "--scope", "admin") for name in "ab")
    [(second_id,)] = sql(store, f"SELECT id FROM api_key WHERE hash = '{hash_token(second)}'")
    for name in (first[:9], second_id):
        assert broadsheet("keys", "revoke", name).status == 0
    assert sql(store, "SELECT count(*) FROM api_key WHERE revoked_at IS NULL") == [(0,)]
    again = broadsheet("keys", "revoke", second_id)
    assert (again.status, "already" in again.err) == (0, True)
    assert broadsheet("keys", "list").out.count("revoked") == 2


def test_what_names_no_key_or_two_is_not_revoked(broadsheet: Broadsheet, sql: Sql, sqlite_data: object) -> None:
    made(broadsheet, "--name", "a", "--scope", "admin")
    made(broadsheet, "--name", "b", "--scope", "admin")
    url = f"sqlite:///{sqlite_data}/broadsheet.db"
    sql(url, "UPDATE api_key SET hint = 'bs_000000'")
    two = broadsheet("keys", "revoke", "bs_000000")
    assert (two.status, two.err) == (1, "Error: 2 keys begin with bs_000000; give the id.\n")
    none = broadsheet("keys", "revoke", "bs_ffffff")
    assert (none.status, none.err) == (1, "Error: There is no key bs_ffffff.\n")
    assert sql(url, "SELECT count(*) FROM api_key WHERE revoked_at IS NULL") == [(2,)]


def test_a_list_longer_than_a_page_is_whole(broadsheet: Broadsheet, sql: Sql, sqlite_data: object) -> None:
    made(broadsheet, "--name", "first", "--scope", "admin")
    url = f"sqlite:///{sqlite_data}/broadsheet.db"
    copies = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120) "
        "INSERT INTO api_key (id, name, hint, hash, scopes, created_at) "
        "SELECT printf('00000000-0000-7000-8000-%012d', i), 'copy ' || i, hint, i, scopes, created_at FROM api_key, n"
    )
    sql(url, copies)
    lines = broadsheet("keys", "list").out.splitlines()
    assert len(lines) == 122
    assert len(set(lines)) == 122


@pytest.mark.parametrize(("text", "span"), [("12h", 0.5), ("90d", 90.0), ("2w", 14.0)])
def test_keys_expire_after_a_span(
    broadsheet: Broadsheet, sql: Sql, sqlite_data: object, text: str, span: float
) -> None:
    made(broadsheet, "--name", "a", "--scope", "admin", "--expires", text)
    [(seconds,)] = sql(
        f"sqlite:///{sqlite_data}/broadsheet.db", "SELECT unixepoch(expires_at) - unixepoch(created_at) FROM api_key"
    )
    assert isinstance(seconds, int)
    assert abs(seconds - span * 86400) <= 60, "but for the time that the command takes"


def test_keys_expire_at_a_time(broadsheet: Broadsheet, sqlite_data: object) -> None:
    made(broadsheet, "--name", "a", "--scope", "admin", "--expires", "2999-01-01T02:00:00+02:00")
    assert "until 2999-01-01T00:00:00Z" in broadsheet("keys", "list").out


@pytest.mark.parametrize(
    ("option", "value"),
    [("--expires", "90"), ("--expires", "0d"), ("--expires", "2999-01-01T00:00:00"), ("--scope", "everything")],
)
def test_what_cannot_be_read_is_a_usage_error(
    broadsheet: Broadsheet, sqlite_data: object, option: str, value: str
) -> None:
    ended = broadsheet("keys", "create", "--name", "a", "--scope", "admin", option, value)
    assert (ended.status, ended.out) == (2, "")


def test_a_key_that_has_expired_already_is_not_made(broadsheet: Broadsheet, sqlite_data: object) -> None:
    past = (now() - timedelta(days=1)).isoformat()
    ended = broadsheet("keys", "create", "--name", "a", "--scope", "admin", "--expires", past)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)


def test_a_key_is_limited_to_sections_that_exist(broadsheet: Broadsheet, sqlite_data: object) -> None:
    missing = broadsheet("keys", "create", "--name", "a", "--scope", "admin", "--section", "report")
    assert (missing.status, missing.out, missing.err) == (1, "", "Error: There is no section report.\n")


def test_a_publishable_key(broadsheet: Broadsheet, sql: Sql, store: str) -> None:
    key = made(broadsheet, "--name", "Front end", "--publishable", "--quota-day", "1000000")
    assert is_well_formed(PUBLISHABLE_PREFIX, key)
    [(scopes,)] = sql(store, "SELECT scopes FROM api_key")
    assert (json.loads(scopes) if isinstance(scopes, str) else scopes) == ["public:read"]
    for options in ([], ["--publishable", "--scope", "admin"]):
        assert broadsheet("keys", "create", "--name", "a", *options).status == 2
    ended = broadsheet("keys", "create", "--name", "a", "--scope", "public:read", "--scope", "admin")
    assert (ended.status, ended.out) == (1, "")


def test_a_key_is_changed(broadsheet: Broadsheet, sql: Sql, store: str) -> None:
    key = made(broadsheet, "--name", "old", "--scope", "content:read", "--expires", "90d")
    done = broadsheet("keys", "change", key[:9], "--name", "new", "--scope", "content:write", "--never-expires")
    assert done.status == 0, done.err
    [(name, scopes, expires)] = sql(store, "SELECT name, scopes, expires_at FROM api_key")
    assert (name, json.loads(scopes) if isinstance(scopes, str) else scopes) == ("new", ["content:write"])
    assert expires is None
    assert sql(store, "SELECT count(*) FROM audit WHERE action = 'key.change'") == [(1,)]
    nowhere = broadsheet("keys", "change", key[:9], "--section", "report")
    assert (nowhere.status, nowhere.err) == (1, "Error: There is no section report.\n")
    assert broadsheet("keys", "change", key[:9]).status == 2
    assert broadsheet("keys", "change", key[:9], "--expires", "1d", "--never-expires").status == 2
    assert broadsheet("keys", "revoke", key[:9]).status == 0
    assert broadsheet("keys", "change", key[:9], "--name", "x").status == 1
