"""`broadsheet keys`: API keys without an API key."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from app.cli.common import Failure, opened, say, show
from app.identity.keys import actions, queries
from app.identity.keys.schemas import KeyIn
from app.identity.schemas import SCOPES, SYSTEM
from app.kit.clock import iso, now
from app.kit.paging import PageQuery
from app.kit.settings import Settings
from app.publication.sections.queries import by_ref

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
_SPAN = re.compile(r"([1-9]\d{0,4})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def _moment(text: str) -> datetime:
    """A point in time: a span from now (`12h`, `90d`, `8w`) or RFC 3339 with its offset."""
    if span := _SPAN.fullmatch(text):
        return now() + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter("give a span like 12h, 90d or 8w, or a time like 2030-01-31T12:00:00Z")
    return moment


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do; repeat for more: {', '.join(SCOPES)}.")],
    section: Annotated[
        list[str] | None, typer.Option(help="Id or slug of a section it is limited to; repeat for more.")
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(parser=_moment, metavar="SPAN|TIME", help="When it stops working: 90d, or RFC 3339."),
    ] = None,
    quota_minute: Annotated[int | None, typer.Option(help="Requests that it may make in a minute.")] = None,
    quota_day: Annotated[int | None, typer.Option(help="Requests that it may make in 24 hours.")] = None,
) -> None:
    """Make a key and print it, alone on the last line: it is shown this once."""
    try:
        quotas = {"quota_minute": quota_minute, "quota_day": quota_day}
        asked = KeyIn.model_validate({"name": name, "scopes": scope, "expires_at": expires, **quotas})
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"{first['loc'][0]}: {first['msg']}") from None
    with opened(Settings()) as db:
        with db.connect() as connection:
            sections = [_section_id(connection, ref) for ref in section] if section else None
        with db.transaction() as session:
            about = asked.expires_at, asked.quota_minute, asked.quota_day
            key_id, key = actions.create(session, SYSTEM, asked.name, list(asked.scopes), sections, *about)
        say(f"Made key {key_id}. Keep it now: only its hash is stored.")
    typer.echo(key)


@app.command("list")
def index() -> None:
    """All keys, newest first; never the keys themselves."""
    table = Table("id", "hint", "name", "scopes", "sections", "state", "created", "last used", box=None)
    with opened(Settings()) as db, db.connect() as connection:
        for row in _all(connection):
            table.add_row(
                row["id"],
                row["hint"],
                Text(row["name"]),
                " ".join(row["scopes"]),
                "all" if row["sections"] is None else " ".join(row["sections"]),
                _state(row),
                iso(row["created_at"].replace(microsecond=0)),
                iso(row["last_used_at"].replace(microsecond=0)) if row["last_used_at"] else "never",
            )
    show(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|HINT", help="The key's id, or its first characters.")],
) -> None:
    """End a key: refused everywhere within a second."""
    with opened(Settings()) as db:
        with db.connect() as connection:
            rows = [row for row in _all(connection) if key in (row["id"], row["hint"])]
        if len(rows) != 1:
            raise Failure(f"{len(rows)} keys begin with {key}: give the id." if rows else f"There is no key {key}.")
        if rows[0]["revoked_at"]:
            say(f"Key {rows[0]['id']} was revoked already.")
            return
        with db.transaction() as session:
            actions.revoke(session, SYSTEM, rows[0]["id"])
        say(f"Revoked key {rows[0]['id']}, {rows[0]['name']}.")


def _section_id(connection: sa.Connection, ref: str) -> str:
    row = by_ref(connection, ref)
    if row is None:
        raise Failure(f"There is no section {ref}.")
    return str(row["id"])


def _all(connection: sa.Connection) -> Iterator[Any]:
    cursor: str | None = None
    while True:
        page = queries.page(connection, PageQuery(limit=100, cursor=cursor))
        yield from page["data"]
        cursor = page["page"]["next"]
        if cursor is None:
            return


def _state(row: Any) -> str:
    if row["revoked_at"]:
        return "revoked"
    if row["expires_at"] is None:
        return "active"
    until = iso(row["expires_at"].replace(microsecond=0))
    return f"expired {until}" if row["expires_at"] <= now() else f"until {until}"
