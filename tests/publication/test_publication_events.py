"""The facts that this room states, and whom they make stale."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import Response

from app.db import Database
from app.events.catalog import LoggedEvent
from app.events.log import read_after
from app.events.schemas import START

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]


def _log(db: Database) -> list[LoggedEvent]:
    with db.connect() as connection:
        return read_after(connection, START)


@pytest.mark.parametrize(
    ("kind", "singular"), [("sections", "section"), ("tags", "tag"), ("authors", "author"), ("series", "series")]
)
def test_terms(kind: str, singular: str, make: Make, send: Send, db: Database) -> None:
    made = make(kind, name="One")
    send("PATCH", f"/v1/{kind}/one", {"slug": "two"})
    send("DELETE", f"/v1/{kind}/two")
    new, changed, deleted = _log(db)
    own = [kind, f"{singular}:{made['id']}"]
    first, second = (f"{singular}:{slug}" for slug in ("one", "two"))
    assert (new.type, new.groups) == (f"{singular}.changed", [*own, first])
    assert new.payload == {"slug": "one", "created": True}
    assert changed.type == f"{singular}.changed"
    settings = {"discussions:settings"} if kind == "sections" else set()  # which others take over from it
    assert set(changed.groups) == {*own, second, "publication", *settings}
    assert changed.payload == {"slug": "two", "created": False}
    assert deleted.type == f"{singular}.deleted"
    assert set(deleted.groups) >= {*own, second, "publication"}
    assert {entry.subject_id for entry in (new, changed, deleted)} == {made["id"]}


def test_notices(make: Make, send: Send, db: Database) -> None:
    made = make("notices", scope="site", placement="both", text="Hello")
    send("PATCH", f"/v1/notices/{made['id']}", {"placement": "after"})
    send("DELETE", f"/v1/notices/{made['id']}")
    log = _log(db)
    assert [entry.type for entry in log] == ["notice.changed", "notice.changed", "notice.deleted"]
    for entry in log:
        assert entry.groups == ["notices", f"notice:{made['id']}", "publication"]
        assert entry.payload == {"scope": "site", "target_id": None}
