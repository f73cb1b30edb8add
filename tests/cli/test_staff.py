from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.portable

Broadsheet = Callable[..., Any]
Sql = Callable[[str, str], list[tuple[Any, ...]]]


def test_people_are_invited_listed_and_suspended(broadsheet: Broadsheet, sql: Sql, store: str) -> None:
    ada = ("people", "invite", "--name", "Ada [red]", "--email", "Ada@example.com")
    first = broadsheet(*ada, "--role", "reporter")
    assert first.status == 0, first.err
    assert "/desk/#/invitation/bi_" in first.out.splitlines()[-1]
    again = broadsheet(*ada)
    assert again.out != first.out
    assert sql(store, "SELECT count(*) FROM invitation") == [(1,)]
    listed = broadsheet("people", "list").out
    assert all(word in listed for word in ("Ada [red]", "ada@example.com", "invited", "reporter", "never"))
    assert broadsheet("people", "suspend", "ada@example.com").status == 0
    assert "suspended" in broadsheet("people", "list").out
    assert broadsheet(*ada).err == "Error: The person is suspended\n"
    [(person_id,)] = sql(store, "SELECT id FROM person")
    assert broadsheet("people", "restore", str(person_id)).status == 0
    assert (
        broadsheet("people", "suspend", "nobody@example.com").err == "Error: There is no person nobody@example.com.\n"
    )
    for wrong in (["--email", "x"], ["--email", "x@example.com", "--section", "here"], ["--email", ""]):
        assert broadsheet("people", "invite", "--name", "X", *wrong).status == 2
    unknown = broadsheet("people", "invite", "--name", "X", "--email", "x@example.com", "--role", "nothing")
    assert (unknown.status, sql(store, "SELECT count(*) FROM person")) == (1, [(1,)])
