"""Who may do what, in which state of the thing: every operation of the app, held cell by cell. See `permissions.py`."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlmodel import Session
from starlette.testclient import TestClient

from app.articles.publishing import advance_due_articles
from app.articles.reading import select_articles
from app.articles.tables import Article
from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database
from app.db.columns import table_of
from app.fronts.tables import Front
from app.identity.access import Access
from app.identity.schemas import SCOPES, SYSTEM
from app.main import create_app
from app.people.roles import ADMIN, BUILT_IN
from app.publication.media_library import create_reference
from app.related.tables import RelatedPin
from app.search.indexing import index_article
from tests import make
from tests.contract.permissions import (
    NO,
    PUBLISH,
    READ,
    STATES,
    TABLE,
    WRITE,
    Anyone,
    Changes,
    Needs,
    Reads,
    Row,
    Within,
)
from tests.effort import IS_LONG, Portion

Headers = dict[str, str]
HERE = "tests/contract/permissions.py"
EVERYWHERE = {"content:write", "content:publish", "content:write+content:publish", "comments:moderate"}
SOME = {"", "draft", "published", "used"}  # states in which everybody else changes something
LOOKED_AT = {
    "content:write",
    "comments:moderate",
    "reporter here, desk elsewhere",
}  # callers that change something and may not publish
AHEAD = {"scheduled", "embargoed", "expired", "coming", ""}  # what readers may see later
LATER = timedelta(hours=3)  # by then all that the world below sets for a time has come
A, PIN, FRONT = table_of(Article), table_of(RelatedPin), table_of(Front)
SECTIONS = ("here", "used", "coming", "unused")  # of all that the table speaks of; all are in the section `around`
# What only says how discussions are run, is the moderators' work; numbers and marks of change follow from the rest.
NOT_SEEN = re.compile(
    r"approval|discussion|edited|custom|tally|moderation|close|version|card|created_at|updated_at|latest|shown|articles$|own_|set_"
)


def routes(app: FastAPI) -> Iterator[tuple[str, APIRoute, Access]]:
    """Every operation, with what it asks of its caller."""
    for route in app.router.routes:
        assert isinstance(route, APIRoute)
        (access,) = [inner.call for inner in route.dependant.dependencies if isinstance(inner.call, Access)]
        for method in route.methods or ():
            yield f"{method} {route.path}", route, access


def test_every_operation_has_its_row(tmp_path: Any) -> None:
    app = create_app(Settings(_env_file=None, data_dir=tmp_path), with_worker=False)
    declared = {name: access for name, _, access in routes(app)}
    missing, extra = sorted(declared.keys() - TABLE.keys()), sorted(TABLE.keys() - declared.keys())
    assert not missing, f"add a row to {HERE}, whose first lines say how, for each of: {', '.join(missing)}"
    assert not extra, f"take out of {HERE} what the app has no more: {', '.join(extra)}"
    for name, rows in TABLE.items():
        scopes = {getattr(row, "scope", None) for row in rows}
        assert scopes == {declared[name].scope}, f"{name}: {HERE} and the route name different scopes"
        drafts = {isinstance(row, Needs | Reads) and row.scope is not None and row.drafts for row in rows}
        assert drafts == {declared[name].drafts}, f"{name}: is it for keys with content:write, too?"
        assert {getattr(row, "own", False) for row in rows} == {declared[name].own}, f"{name}: is it for people, too?"


@dataclass(frozen=True)
class Caller:
    """Somebody who calls."""

    name: str
    headers: Headers
    scopes: frozenset[str] = frozenset()  # anywhere
    here: frozenset[str] = frozenset()  # in the sections of what the table speaks of
    everywhere: frozenset[str] = frozenset()  # also in what all sections share
    is_person: bool = False
    elsewhere: frozenset[str] = frozenset()  # in another section

    @classmethod
    def of_key(cls, headers: Headers, *scopes: str) -> "Caller":
        return cls("+".join(scopes), headers, *[frozenset(scopes)] * 3, False, frozenset(scopes))

    def may(self, scope: str | None) -> bool:
        return scope is None or includes(self.scopes, scope)

    @property
    def reads_drafts(self) -> bool:
        return reads_drafts(self.here)

    @property
    def is_looked_at(self) -> bool:
        """Whether it is watched what readers see of this caller's changes."""
        return self.name in LOOKED_AT


def includes(scopes: frozenset[str], scope: str) -> bool:
    return scope in scopes or "admin" in scopes


def reads_drafts(scopes: frozenset[str]) -> bool:
    return includes(scopes, READ) or (WRITE in scopes and "syndicate" not in scopes)


@dataclass
class World:
    """A small publication with something in every state, whose changes are undone."""

    client: TestClient
    db: Database
    things: dict[str, dict[str, str]]  # what stands in paths, by kind and state
    before: Any = None
    after: Any = None  # what readers saw when the last change was made, and not undone yet
    looks: bool = False  # at what readers see
    ahead: bool = False  # also at what they will see
    failures: list[str] = field(default_factory=list)


class Undone(Exception):
    """The change was made and looked at."""


def seen(connection: sa.Connection) -> dict[str, Any]:
    """All that readers see, but for the discussions."""

    def rows(query: Any) -> list[Any]:
        found = connection.execute(query).mappings()
        return [{name: value for name, value in row.items() if not NOT_SEEN.search(name)} for row in found]

    out = {"articles": rows(select_articles(("html",)).where(A.c.public).order_by(A.c.id))}
    out["gone"] = rows(sa.select(A.c.slug, A.c.retraction).where(A.c.state == "retracted"))
    public = sa.select(A.c.id).where(A.c.public)
    out["pins"] = rows(sa.select(PIN).where(PIN.c.article_id.in_(public), PIN.c.target_id.in_(public)))
    out["fronts"] = rows(sa.select(FRONT.c.slug, FRONT.c.published))
    texts = (
        "SELECT prompt FROM discussion WHERE prompt IS NOT NULL AND (target_id IN (SELECT id FROM article WHERE public "
        "UNION SELECT section_id FROM article WHERE public) OR target_id NOT IN (SELECT id FROM article UNION "
        "SELECT id FROM section))",
        "SELECT exact, question, state FROM anchor WHERE article_id IN (SELECT id FROM article WHERE public)",
        "SELECT slug FROM section WHERE slug <> 'new'",
        "SELECT slug, name, description, parent_id FROM section WHERE articles > 0",
        "SELECT slug, name, description FROM tag WHERE articles > 0",
        "SELECT slug, name, description FROM series WHERE articles > 0",
        "SELECT a.slug, a.name, bio_html, alt FROM author a LEFT JOIN media m ON m.id = image_id WHERE articles > 0",
        "SELECT key FROM media",
        "SELECT address FROM address WHERE article_id IN (SELECT id FROM article WHERE public OR state = 'retracted')",
    )
    return out | {text: sorted(map(repr, rows(sa.text(text)))) for text in texts}


def look(session: Session, *, ahead: bool = True) -> list[Any]:
    """What readers see now, and when all that is set for a time has come."""
    at_once = seen(session.connection())
    if not ahead:
        return [at_once]
    with time_machine.travel(now() + LATER, tick=False):
        while advance_due_articles(session, index_article):
            pass
        session.flush()
        return [at_once, seen(session.connection())]


def _articles(client: TestClient, editor: Headers) -> dict[str, str]:
    """An article in each state, with a newer revision that nobody has approved where the state can have one."""
    hours = [format_rfc3339(now() + timedelta(hours=h)) for h in (1, 2)]
    coming = {"section": "here", "tags": ["coming"], "authors": ["coming"], "series": "coming"}
    used = {"section": "here", "tags": ["used"], "authors": ["used"], "series": "used"}
    for state in STATES:
        more: dict[str, Any] = coming if state == "scheduled" else {**used, "section": "here"}
        if state in {"draft", "unpublished", "expired", "retracted"}:
            more = {"section": "here", "authors": ["used"]}
        if state == "embargoed":
            more = {"section": "here", "rights": {"embargoed_until": hours[1]}}
        article = make.draft(client, editor, state.title(), slug=state, **more)
        if state == "scheduled":
            url = f"/v1/articles/{state}/schedule"
            make.ok(client.put(url, json={"at": hours[0]}, headers={**editor, "If-Match": "*"}))
        elif state != "draft":
            make.act(client, editor, article, "publish")
        if state == "published":
            make.act(client, editor, article, "corrections", {"text": "It was four."})
        if state == "expired":
            make.patched(client, editor, article, rights={"expires_at": "2020-01-01T00:00:00Z"})
        if state == "unpublished":
            make.act(client, editor, article, "unpublish")
        if state == "retracted":
            make.act(client, editor, article, "retract", {"reason": "Wrong."})
        make.patched(client, editor, article, title=f"{state.title()}, not approved")
    return {state: state for state in STATES}


def _terms(client: TestClient, editor: Headers, db: Database) -> dict[str, dict[str, str]]:
    names = ("used", "coming", "unused")
    for name in ("There", "Unused 2"):
        make.section(client, editor, name)
    make.section(client, editor, "Inner used", parent="used")  # a section is used with what is inside of it
    for name in names:
        make.author(client, editor, name.title())
        make.series(client, editor, name.title())
        make.ok(client.post("/v1/tags", json={"name": name.title()}, headers=editor), 201)
    things = {kind: {name: name for name in names} for kind in ("section", "tag", "author", "series")}
    with db.transaction() as session:
        things["media"] = {name: create_reference(session, SYSTEM, f"https://x.example/{name}.jpg") for name in names}
        session.execute(
            sa.text("UPDATE media SET key = 'ab/' || :key WHERE id = :id"),
            [{"key": name, "id": media} for name, media in things["media"].items()],
        )
    return things


@pytest.fixture
def world(client: TestClient, db: Database, editor: Headers, monkeypatch: pytest.MonkeyPatch) -> World:
    things = _terms(client, editor, db)
    make.published(client, editor, "Pinned", slug="pinned", section="here")
    things["article"] = _articles(client, editor)
    make.published(client, editor, "Inside", section="inner-used", image=things["media"]["used"])
    later = make.draft(client, editor, "Later", section="coming", image=things["media"]["coming"])
    url = f"/v1/articles/{later['id']}/schedule"
    at = format_rfc3339(now() + timedelta(hours=1))
    make.ok(client.put(url, json={"at": at}, headers={**editor, "If-Match": "*"}))
    things["notice"] = {
        "used": make.notice(client, editor, scope="article", target_id="published", placement="before", text="!")["id"],
        "coming": make.notice(client, editor, scope="author", target_id="coming", placement="before", text="!")["id"],
        "unused": make.notice(client, editor, scope="section", target_id="unused", placement="before", text="!")["id"],
    }
    asked = {"exact": "Once", "question": "Why?"}
    anchor = make.ok(client.post("/v1/articles/pinned/anchors", json=asked, headers=editor), 201)["id"]
    things["anchor"] = {"used": anchor}
    front = {**editor, "If-None-Match": "*"}
    make.ok(client.put("/v1/fronts/home", json={"title": "F", "blocks": []}, headers=front), 201)
    things["front"] = {"used": "home"}
    url = "/v1/articles/published/comments"
    comment = make.ok(client.post(url, json={"text": "Well said.", "author": {"name": "Ann"}}), 201)["id"]
    things["comment"] = {"": comment}
    make.ok(client.post(f"/v1/comments/{comment}/reports", json={"reason": "other"}, headers=make.guest(client)), 202)
    with db.connect() as connection:
        things["report"] = {"": str(connection.execute(sa.text("SELECT id FROM report")).scalar_one())}
    redirect = {"source": "/from", "target": "/to"}
    things["redirect"] = {"used": make.ok(client.post("/v1/redirects", json=redirect, headers=editor), 201)["id"]}
    found = World(client, db, things)
    store: Database = client.app.state.services.database  # type: ignore[attr-defined]
    write = store.write

    async def undone(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:  # a note that the key was used
            return await write(work, *args, **kwargs)
        made = []

        def probe(session: Session) -> None:
            made.append(work(session))
            session.flush()
            if found.looks:
                found.after = look(session, ahead=found.ahead)
            raise Undone

        with suppress(Undone):
            await write(probe)
        return made[0]

    with db.transaction() as session:
        found.before = look(session)
        session.rollback()
    monkeypatch.setattr(store, "write", undone)
    return found


@pytest.fixture
def callers(client: TestClient, db: Database, make_key: Callable[..., Headers]) -> list[Caller]:
    """Everybody of whom the table speaks; made before the world, whose writes are undone."""
    admin = make_key("admin")
    there = make.section(client, admin, "Elsewhere")["id"]
    make.section(client, admin, "Around")
    for name in SECTIONS:
        make.section(client, admin, name.title(), parent="around")
    sets = [*((scope,) for scope in SCOPES), (READ, WRITE), (WRITE, PUBLISH), (WRITE, "syndicate")]
    found = [Caller("nobody", {}), Caller("a guest", make.guest(client))]
    found += [Caller.of_key(make_key(*scopes), *scopes) for scopes in sets]
    limited = (READ, WRITE, PUBLISH, "comments:moderate")
    key = make_key(*limited, sections=[there])
    found.append(Caller("elsewhere", key, frozenset(limited), elsewhere=frozenset(limited)))
    if db.dialect == "postgresql":  # who may what is told by the same code: here the changes matter
        return [caller for caller in found if caller.name in {"nobody", *EVERYWHERE}]
    return [*found, *_people(client, db)]


def _people(client: TestClient, db: Database) -> Iterator[Caller]:
    """People with each role: everywhere, in the sections of things, around them and elsewhere; and with two roles."""
    relations: dict[str, list[str] | None] = {
        "everywhere": None,
        "here": list(SECTIONS),
        "around": ["around"],
        "elsewhere": ["elsewhere"],
    }
    none = frozenset[str]()
    for role, (_, scopes) in BUILT_IN.items():
        own = frozenset[str](scopes)
        for relation, sections in relations.items():
            if role == ADMIN and sections is not None:
                continue
            headers = make.person(client, db, f"{role}-{relation}", **{role: sections}).headers
            here, everywhere = (none if relation == "elsewhere" else own), (own if sections is None else none)
            there = own if relation in ("everywhere", "elsewhere") else none
            yield Caller(f"{role} {relation}", headers, own, here, everywhere, True, there)
    mixed = make.person(client, db, "mixed", reporter=list(SECTIONS), desk=["elsewhere"]).headers
    reporter, desk = (frozenset[str](BUILT_IN[role][1]) for role in ("reporter", "desk"))
    yield Caller("reporter here, desk elsewhere", mixed, desk, reporter, none, True, desk)
    mixed = make.person(client, db, "wide", reporter=None, editor=["elsewhere"], moderator=["around"]).headers
    anywhere = frozenset[str](BUILT_IN["editor"][1]) | {"comments:moderate"}
    here, there = reporter | {"comments:moderate"}, frozenset[str](BUILT_IN["editor"][1])
    yield Caller("reporter, and more by section", mixed, anywhere, here, reporter, True, there)


def _path(path: str, things: dict[str, str]) -> str:
    values = {"n": "1", "form": "rss", "part": "1", "month": "2026-01", "suffix": "md", "code": "not_found", "key": "x"}
    values |= {"token": "x", **things}
    return re.sub(r"{(\w+)(?::\w+)?}", lambda found: values.get(found[1], NO), path)


def _send(
    world: World, operation: str, caller: Caller, things: dict[str, str], body: Any = None, state: str = ""
) -> int:
    """Send a request, and check that readers see the same after it unless the caller may publish."""
    method, path = operation.split(" ", 1)
    world.after, world.looks, world.ahead = None, caller.is_looked_at, state in AHEAD
    headers = {**caller.headers, **({} if method == "GET" else {"If-Match": "*"})}
    answer = world.client.request(method, _path(path, things), json=body, headers=headers, follow_redirects=False)
    if world.after is not None:
        for when, was, became in zip(("at once", "later"), world.before, world.after, strict=False):
            if changed := [name for name in was if was[name] != became[name]]:
                world.failures.append(f"{operation} {things} {body} by {caller.name}: readers see it {when}: {changed}")
    status: int = answer.status_code
    return status


def _reach(row: Changes, caller: Caller, state: str) -> frozenset[str]:
    """The scopes that the caller has where a change would be."""
    kind = row.on.removeprefix("*")
    is_in_section = kind in {"article", "section", "anchor"} or (kind == "notice" and state != "coming")
    if row.shared or not (is_in_section or kind == "nothing"):
        return caller.everywhere
    return caller.scopes if kind == "nothing" else caller.here


def _expected(row: Changes, caller: Caller, state: str) -> set[int]:
    if caller.scopes == {"public:read"}:
        return {403}
    if not caller.may(row.scope):
        return {403} if caller.headers else {401}
    reach = _reach(row, caller, state)
    if not includes(reach, row.scope):
        return {403, 404, 422}
    may_publish = includes(reach, PUBLISH)
    if row.seen and state != "published" and not caller.reads_drafts and row.on == "article":
        return {404}
    if state in row.answers:
        return {row.answers[state], 403} if state in row.publish and not may_publish else {row.answers[state]}
    if state in row.publish and not may_publish:
        return {403}
    return {200, 201, 204}


def _reads(row: Reads, caller: Caller, state: str) -> set[int]:
    if row.scope and not (caller.may(row.scope) or (row.drafts and reads_drafts(caller.scopes))):
        return {403} if caller.headers else {401}
    if row.scope and not caller.reads_drafts and state == "published":
        return {200, 404}  # the article is public, its texts are of another section
    is_seen = state == "published" or (caller.reads_drafts and not row.public_alone)
    if state in row.answers and (is_seen or state == "retracted"):
        return {row.answers[state]} if is_seen else {row.answers[state], row.gone}
    if is_seen:
        return {200}
    return {row.gone} if state == "retracted" else {404}


def _within(row: Within, caller: Caller) -> set[int]:
    if not caller.may(row.scope):
        return {403} if caller.headers else {401}
    return {200, 201, 204, 409} if includes(caller.here, row.scope) else {403, 404}


def _cells(row: Row, caller: Caller, world: World) -> Iterator[tuple[str, dict[str, str], Any, set[int]]]:
    """What to send in each state, and the statuses that may come."""
    if isinstance(row, Reads):
        for state in STATES:
            yield state, {"article": state}, None, _reads(row, caller, state)
    elif isinstance(row, Within):
        state, thing = next(iter({"article": {"draft": "draft"}, **world.things}[row.on].items()))
        yield state, {row.on: thing}, row.body, _within(row, caller)
    elif isinstance(row, Changes):
        kind = row.on.removeprefix("*")
        states = world.things.get(kind, {"": ""})
        for state, thing in states.items():
            body = row.body
            if row.on.startswith("*"):
                body = {**body, "target_id": thing}
            yield state, {kind: thing}, body, _expected(row, caller, state)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_publishable_key_reads_what_anybody_may_read(client: TestClient, make_key: Callable[..., Headers]) -> None:
    key, asked = make_key("public:read"), Portion(25)
    wrong = []
    for operation, _, access in routes(client.app):  # type: ignore[arg-type]
        method, path = operation.split(" ", 1)
        if operation == "GET /v1/whoami" or operation not in asked:
            continue

        def status(headers: Headers, method: str = method, path: str = path) -> int:
            return client.request(method, _path(path, {}), headers=headers, follow_redirects=False).status_code

        is_open = method == "GET" and access.scope is None and access.forgiving
        expected = status({}) if is_open or not access.counted else 403
        if (found := status(key)) != expected:
            wrong.append(f"{operation}: {found}, not {expected}")
    assert wrong == []


@pytest.mark.long
def test_every_cell_of_the_table_holds(callers: list[Caller], world: World, report: Callable[..., None]) -> None:
    asked = Portion(15 if world.db.dialect == "postgresql" else 100)  # the rules are the same code on both
    asked_of_people, refused, cells = Portion(8), Portion(30), [0, 0]
    for operation, rows in TABLE.items():
        if operation not in asked:
            continue
        for row in rows:
            if isinstance(row, Anyone | Needs):
                continue  # the scope that the route declares is all there is to it, and that is compared above
            for caller in callers:
                if caller.is_person and f"{operation} {caller.name}" not in asked_of_people:
                    continue
                for state, things, body, expected in _cells(row, caller, world):
                    if isinstance(row, Changes) and state not in SOME and not (caller.name in EVERYWHERE or IS_LONG):
                        continue
                    is_refused = expected in ({401}, {403}) and not caller.may(row.scope)
                    if is_refused and caller.headers and f"{operation} {caller.name}" not in refused:
                        break  # the same line of code refuses all who lack the scope: with LONG=1 each of them asks
                    cells[caller.is_person] += 1
                    status = _send(world, operation, caller, things, body, state)
                    if status not in expected:
                        where = f"{operation} {things} {body} by {caller.name}"
                        world.failures.append(f"{where}: {status}, not {sorted(expected)}")
                    if is_refused:
                        break  # without the scope the state is not looked at
    if IS_LONG:
        report(cells_of_scopes=cells[0], cells_of_roles=cells[1])
    assert not world.failures, "\n".join([f"{len(world.failures)} cells:", *world.failures])
