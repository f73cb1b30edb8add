"""Who may do what in which section, with whose things: the operations that ask for one scope, cell by cell.

The rules are in `cells.py`. Things lie in a section (`here`), in another one, in both, or in none; callers have each
role everywhere, in the section, in one around it, and in another one; and of some things they are the authors.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.db.columns import table_of
from app.editorial.tables import Note, Task
from app.identity.schemas import SCOPES, SYSTEM
from app.main import create_app
from app.moderation.tables import PersonAction, PersonNote
from app.people.roles import create_role
from app.people.schemas import RoleIn
from app.publication.media_library import create_reference
from app.releases.tables import Release
from tests import make
from tests.contract.cells import CELLS, READABLE, Cell
from tests.contract.permissions import NO, TABLE, Needs
from tests.contract.test_permissions import (
    Caller,
    Headers,
    Undone,
    _path,
    callers,
    includes,
    reads_drafts,
    routes,
)
from tests.effort import IS_LONG, Portion

__all__ = ["callers"]  # a fixture
OWNED: dict[str, sa.Table] = {
    "task": table_of(Task),
    "note": table_of(Note),
    "release": table_of(Release),
    "remark": table_of(PersonNote),
    "action": table_of(PersonAction),
}
"""Tables of things that have an author."""
ANY = {"If-Match": "*"}
PLACES = {"task": ("here", "there", "none"), "release": ("here", "there", "both", "shared", "none")}
"""Where things are of which there are more than in two sections."""


def test_every_operation_that_needs_a_scope_has_its_cells(tmp_path: Any) -> None:
    needs = {name for name, rows in TABLE.items() if any(isinstance(row, Needs) for row in rows)}
    missing, extra = sorted(needs - CELLS.keys()), sorted(CELLS.keys() - needs)
    assert not missing, f"add to tests/contract/cells.py, whose first lines say how: {', '.join(missing)}"
    assert not extra, f"take out of tests/contract/cells.py: {', '.join(extra)}"
    app = create_app(Settings(_env_file=None, data_dir=tmp_path), with_worker=False)
    assert {name for name, _, _ in routes(app)} >= CELLS.keys()


@dataclass(frozen=True)
class Asking:
    """A caller, as the rules ask about one."""

    caller: Caller
    id: str | None

    @property
    def is_person(self) -> bool:
        return self.caller.is_person

    def has(self, scope: str, place: str) -> bool:
        if place == "both":
            return self.has(scope, "here") and self.has(scope, "there")
        own = self.caller
        scopes = {"any": own.scopes, "here": own.here, "there": own.elsewhere}.get(place, own.everywhere)
        if scope == "colleague":
            return includes(scopes, "content:write") or includes(scopes, "comments:moderate")
        if scope == "content:read":
            return reads_drafts(scopes)
        return includes(scopes, scope.removeprefix("only "))


@dataclass
class Newsroom:
    """Things at their places, by their names."""

    client: TestClient
    db: Database
    ids: dict[str, str] = field(default_factory=dict)
    paths: dict[str, dict[str, str]] = field(default_factory=dict)  # what stands in paths beside the id, by the name

    def own(self, asking: Asking) -> None:
        """Make a caller the author of all that is named so."""
        with self.db.transaction() as session:
            for kind, table in OWNED.items():
                ids = [row_id for name, row_id in self.ids.items() if name.startswith(kind) and name.endswith("mine")]
                values = {"actor_id": asking.id, "person_id": asking.id if asking.is_person else None}
                values = {name: value for name, value in values.items() if name in table.c}
                session.execute(sa.update(table).where(table.c.id.in_(ids)).values(values))


def _fill_editorial(room: Newsroom, admin: Headers) -> None:
    client, ids = room.client, room.ids
    with room.db.transaction() as session:
        media = create_reference(session, SYSTEM, "https://x.example/a.jpg")
    for place, section in (("here", "here"), ("there", "elsewhere")):
        slug = "draft" if place == "here" else "other-draft"
        fields = {"slug": slug, "section": section, "image": media}
        draft = make.draft(client, admin, f"use_{place}_theirs", **fields)["id"]
        ids[f"article_{place}_theirs"] = draft
        locked = make.draft(client, admin, f"lock_{place}_theirs", section=section)["id"]
        make.ok(client.put(f"/v1/articles/{locked}/lock", json={"seconds": 3600}, headers=admin))
        name = f"notice_{place}_theirs"
        words = {"placement": "before", "text": name}
        ids[name] = make.notice(client, admin, scope="article", target_id=draft, **words)["id"]
        for owner in ("mine", "theirs"):
            name = f"note_{place}_{owner}"
            url = f"/v1/articles/{draft}/notes"
            ids[name] = make.ok(client.post(url, json={"text": name}, headers=admin), 201)["id"]
            for at, more in ((place, {"article": draft}), *([("none", {})] if place == "here" else [])):
                name = f"task_{at}_{owner}"
                body = {"title": name, **more}
                ids[name] = make.ok(client.post("/v1/tasks", json=body, headers=admin), 201)["id"]
    room.paths[""] = {"media": media}


def _fill_releases(room: Newsroom, admin: Headers) -> None:
    client = room.client
    here = {"op": "publish", "article": "draft"}
    there = {"op": "publish", "article": "other-draft"}
    front = {"op": "front", "front": "home", "body": {"title": "F", "blocks": []}}
    out = make.draft(client, admin, "Out", section="here")["id"]
    at_places: dict[str, list[dict[str, Any]]] = {
        "here": [here],
        "there": [there],
        "both": [here, there],
        "shared": [front],
        "none": [],
    }
    names = [f"release_{place}_{owner}" for place in at_places for owner in ("mine", "theirs")]
    for name in [*names, "scheduled_both_theirs", "published_here_theirs"]:
        items = [{"op": "publish", "article": out}] if name.startswith("published") else at_places[name.split("_")[1]]
        row_id = make.ok(client.post("/v1/releases", json={"name": name}, headers=admin), 201)["id"]
        url = f"/v1/releases/{row_id}"
        if items:
            make.ok(client.put(f"{url}/items", json={"items": items}, headers={**admin, **ANY}))
        preview = make.ok(client.post(f"{url}/previews", json={"hours": 1}, headers=admin), 201)["id"]
        listed = make.ok(client.get(f"{url}/items", headers=admin))["data"]
        room.paths[name] = {"preview_id": preview, "item": listed[0]["id"] if listed else NO}
        room.ids[name] = row_id
        if name.startswith("scheduled"):
            body = {"at": "2999-01-01T00:00:00Z"}
            make.ok(client.put(f"{url}/schedule", json=body, headers={**admin, **ANY}))
        if name.startswith("published"):
            make.ok(client.post(f"{url}/publish", headers={**admin, **ANY}))


def _fill_moderation(room: Newsroom, admin: Headers) -> None:
    client, ids = room.client, room.ids
    for place, section in (("here", "here"), ("there", "elsewhere")):
        article = make.published(client, admin, f"Discussed {place}", section=section)
        name = f"comment_{place}_theirs"
        said = make.said(client, article, name)
        comment, participant = said["id"], said["author"]["id"]
        ids[f"participant_{place}_theirs"] = participant
        body = {"reason": "other", "text": f"report_{place}_theirs"}
        make.ok(client.post(f"/v1/comments/{comment}/reports", json=body, headers=make.guest(client)), 202)
        other = make.said(client, article, "Another one.")["id"]
        body = {"reason": f"decision_{place}_theirs"}
        make.ok(client.post(f"/v1/comments/{other}/reject", json=body, headers=admin))
        body = {"kind": "identity", "comment_id": comment, "reason": f"ban_{place}_theirs"}
        ids[f"ban_{place}_theirs"] = make.ok(client.post("/v1/bans", json=body, headers=admin), 201)["id"]
        for owner in ("mine", "theirs"):
            name = f"remark_{place}_{owner}"
            url = f"/v1/moderation/people/{participant}"
            ids[name] = make.ok(client.post(f"{url}/notes", json={"text": name}, headers=admin), 201)["id"]
            name = f"action_{place}_{owner}"
            body = {"remove_all": True, "reason": name}
            ids[name] = make.ok(client.post(f"{url}/actions", json=body, headers=admin), 202)["id"]
        for name in list(ids):
            if name.startswith(("remark", "action")) and f"_{place}_" in name:
                room.paths[name] = {"participant": participant}
    body = {"kind": "email_domain", "value": "bad.example", "reason": "ban_shared_theirs"}
    ids["ban_shared_theirs"] = make.ok(client.post("/v1/bans", json=body, headers=admin), 201)["id"]
    url = f"/v1/moderation/people/{ids['participant_here_theirs']}/actions"
    name = "action_all_theirs"
    ids[name] = make.ok(client.post(url, json={"remove_all": True, "reason": name}, headers=admin), 202)["id"]
    room.paths[name] = {"participant": ids["participant_here_theirs"]}
    table = OWNED["action"]
    with room.db.transaction() as session:
        for place, section in (("here", "here"), ("there", "elsewhere")):
            find = sa.text("SELECT id FROM section WHERE slug = :slug")
            section_id = str(session.connection().execute(find, {"slug": section}).scalar_one())
            own = [row_id for name, row_id in ids.items() if name.startswith(f"action_{place}")]
            session.execute(sa.update(table).where(table.c.id.in_(own)).values(sections=[section_id]))


@pytest.fixture
def asking(client: TestClient, callers: list[Caller], make_key: Callable[..., Headers], db: Database) -> list[Asking]:
    """Everybody, with their ids; also people with a role of the publication, and a key limited to the section."""
    with db.transaction() as session:
        create_role(session, SYSTEM, RoleIn(role="keeper", name="K", scopes=["webhooks:manage", "subscribers:manage"]))
    keeper, none = frozenset({"webhooks:manage", "subscribers:manage"}), frozenset[str]()
    everywhere = make.person(client, db, "keeper", keeper=None).headers
    here = make.person(client, db, "keeper-here", keeper=["here"]).headers
    staff = frozenset(SCOPES) - {"admin", "public:read", "syndicate"}
    with db.connect() as connection:
        find = sa.text("SELECT id FROM section WHERE slug IN ('here', 'used', 'coming', 'unused')")
        limited = make_key(*staff, sections=[str(row.id) for row in connection.execute(find)])
    more = [
        Caller("keeper everywhere", everywhere, *[keeper] * 3, True, keeper),
        Caller("keeper here", here, keeper, keeper, none, True),
        Caller("a key for the section", limited, staff, staff, none),
    ]
    found = []
    for caller in [*callers, *more]:
        answer = client.get("/v1/whoami", headers=caller.headers)
        found.append(Asking(caller, make.ok(answer)["id"] if caller.headers else None))
    return found


@pytest.fixture
def room(
    client: TestClient, db: Database, asking: list[Asking], admin: Headers, monkeypatch: pytest.MonkeyPatch
) -> Newsroom:
    """The newsroom, filled; what is written from then on is undone."""
    found = Newsroom(client, db)
    _fill_editorial(found, admin)
    _fill_releases(found, admin)
    _fill_moderation(found, admin)
    found.ids["person_all_theirs"] = make.person(client, db, "colleague", reporter=None).id
    store: Database = client.app.state.services.database  # type: ignore[attr-defined]
    for method in ("write", "write_aside"):
        _undo(store, method, monkeypatch)
    return found


def _undo(store: Database, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = getattr(store, method)

    async def undone(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        made = []

        def probe(session: Session) -> None:
            made.append(work(session, *args, **kwargs))
            session.flush()
            raise Undone

        with suppress(Undone):
            await write(probe)
        return made[0]

    monkeypatch.setattr(store, method, undone)


def _parts(cell: Cell) -> tuple[str, str, str]:
    """The kind, place and owner of the thing of a cell."""
    kind, place, owner = (cell.thing or "_all_theirs").split("_")
    return kind, place, owner


def _fill(room: Newsroom, operation: str, cell: Cell, asking: Asking) -> str:
    """The path of a request."""
    kind, _, owner = _parts(cell)
    values = {**room.paths[""], "section": "here", "tag": NO, "author": NO, "series": NO, "article": "draft"}
    values |= room.paths.get(cell.thing, {})
    name = {"remark": "note", "scheduled": "release", "published": "release"}.get(kind, kind)
    if kind == "person":
        values["person"] = str(asking.id) if owner == "mine" else room.ids[cell.thing]
    elif cell.thing:
        values[name] = room.ids[cell.thing]
    path = _path(operation.split(" ", 1)[1], values)
    return f"{path}?{cell.query}" if cell.query else path


def _ask(room: Newsroom, operation: str, cell: Cell, asking: Asking) -> str | None:
    """Send a request; return what is wrong with its answer."""
    method = operation.split(" ", 1)[0]
    url, caller = _fill(room, operation, cell, asking), asking.caller
    headers = {**caller.headers, **({} if method == "GET" else ANY)}
    if cell.content is not None:
        headers["Content-Type"] = "text/csv"
    answer = room.client.request(method, url, json=cell.body, content=cell.content, headers=headers)
    kind, place, owner = _parts(cell)
    status, where = answer.status_code, f"{method} {url} {cell.body or ''} ({cell.thing}) by {caller.name}"
    refusals = {401, 403} if kind in ("", "person") and operation != "GET /v1/people/{person}" else {401, 403, 404, 422}
    is_refused = status in refusals
    if status >= 500 or is_refused == cell.may(asking, place, owner):
        return f"{where}: {status} {answer.text[:200]}"
    if cell.shows and not is_refused:
        for name in sorted(_named(room, cell.shows, operation)):
            _, place, owner = name.split("_")
            if (name in answer.text) != READABLE[cell.shows](asking, place, owner):
                return f"{where}: {'shows' if name in answer.text else 'does not show'} {name}"
    return None


def _named(room: Newsroom, kind: str, operation: str) -> Iterator[str]:
    """The names of all things of a kind that a list could show."""
    owners = ("mine", "theirs") if kind in OWNED else ("theirs",)
    places = PLACES.get(kind, ("here", "there"))
    for place in ("here",) if "{participant}" in operation else places:
        yield from (f"{kind}_{place}_{owner}" for owner in owners)


@pytest.mark.long
@pytest.mark.parametrize(
    "database_url", ["sqlite", *(["postgresql"] if IS_LONG else [])], indirect=True
)  # the rules are the same code on both
def test_every_cell_of_the_sections_holds(asking: list[Asking], room: Newsroom, report: Callable[..., None]) -> None:
    asked, cells, wrong = Portion(6), 0, []
    for each in asking:
        is_known = each.id is not None and each.caller.name != "a guest"
        todo = [
            (operation, cell)
            for operation, row in CELLS.items()
            for cell in row
            if f"{each.caller.name} {operation} {cell.thing} {cell.body}" in asked
            and (is_known or _parts(cell)[2] != "mine")
            and (each.is_person or _parts(cell)[0] != "person" or _parts(cell)[2] != "mine")
        ]
        if todo and is_known:
            room.own(each)
        for operation, cell in todo:
            cells += 1
            if (fault := _ask(room, operation, cell, each)) is not None:
                wrong.append(fault)
    if IS_LONG:
        report(cells_of_sections=cells)
    assert not wrong, "\n".join([f"{len(wrong)} of {cells} cells:", *wrong])
