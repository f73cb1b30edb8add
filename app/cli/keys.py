"""`broadsheet keys`: API keys without an API key."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar, cast

import sqlalchemy as sa
import typer
from pydantic import BaseModel, ValidationError
from rich.table import Table
from rich.text import Text

from app.cli.common import Failure, opened, say, show
from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db.columns import Row
from app.identity import keys
from app.identity.schemas import SCOPES, SYSTEM, KeyIn, KeyPatch
from app.publication.api_keys import change_key, create_key
from app.publication.taxonomies import SECTIONS
from app.web.paging import PageQuery

app = typer.Typer(help="Create, list, change and revoke API keys.", no_args_is_help=True)
M = TypeVar("M", bound=BaseModel)
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
    """Create a key and print it, alone on the last line. It is shown only once."""
    quotas = {"quota_minute": quota_minute, "quota_day": quota_day}
    asked = _checked(
        KeyIn, {"name": name, "scopes": scope, "sections": section or None, "expires_at": expires, **quotas}
    )
    with opened(Settings()) as db:
        with db.connect() as connection:
            _require_sections(connection, section or [])
        with db.transaction() as session:
            key_id, key = create_key(session, SYSTEM, asked)
        say(f"Made key {key_id}. Keep it now: only its hash is stored.")
    typer.echo(key)


@app.command("list")
def index() -> None:
    """List all keys, newest first; the keys themselves are never shown."""
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
                format_rfc3339(row["created_at"].replace(microsecond=0)),
                format_rfc3339(row["last_used_at"].replace(microsecond=0)) if row["last_used_at"] else "never",
            )
    show(table)


@app.command()
def change(
    key: Annotated[str, typer.Argument(metavar="ID|HINT", help="The key's id, or its first characters.")],
    name: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="What it may do from now on; repeat for more.")] = None,
    section: Annotated[list[str] | None, typer.Option(help="Sections it is limited to, by id or slug.")] = None,
    all_sections: Annotated[bool, typer.Option("--all-sections", help="Remove the limit to sections.")] = False,
    expires: Annotated[
        datetime | None,
        typer.Option(parser=_moment, metavar="SPAN|TIME", help="When it stops working: 90d, or RFC 3339."),
    ] = None,
    never_expires: Annotated[bool, typer.Option("--never-expires", help="Let it work until it is revoked.")] = False,
    quota_minute: Annotated[int | None, typer.Option(help="Requests that it may make in a minute.")] = None,
    quota_day: Annotated[int | None, typer.Option(help="Requests that it may make in 24 hours.")] = None,
) -> None:
    """Change a key's name, scopes or limits, everywhere within a second. Options that are not given change nothing."""
    if (section and all_sections) or (expires and never_expires):
        raise typer.BadParameter("--section excludes --all-sections, and --expires excludes --never-expires")
    given: dict[str, Any] = {"name": name, "scopes": scope, "sections": section, "expires_at": expires}
    given |= {"quota_minute": quota_minute, "quota_day": quota_day}
    values = {field: value for field, value in given.items() if value}
    values |= {"sections": None} if all_sections else {}
    values |= {"expires_at": None} if never_expires else {}
    if not values:
        raise typer.BadParameter("say what to change")
    asked = _checked(KeyPatch, values)
    with opened(Settings()) as db:
        with db.connect() as connection:
            row = _single(connection, key)
            _require_sections(connection, section or [])
        if row["revoked_at"]:
            raise Failure(f"Key {row['id']} is revoked.")
        with db.transaction() as session:
            change_key(session, SYSTEM, row["id"], asked)
        say(f"Changed key {row['id']}: {', '.join(sorted(values))}.")


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|HINT", help="The key's id, or its first characters.")],
) -> None:
    """Revoke a key: every process refuses it within a second."""
    with opened(Settings()) as db:
        with db.connect() as connection:
            row = _single(connection, key)
        if row["revoked_at"]:
            say(f"Key {row['id']} was revoked already.")
            return
        with db.transaction() as session:
            keys.revoke_api_key(session, SYSTEM, row["id"])
        say(f"Revoked key {row['id']}, {row['name']}.")


def _checked(model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"{first['loc'][0]}: {first['msg']}") from None


def _single(connection: sa.Connection, key: str) -> Row:
    """The one key with this id or these first characters."""
    rows = [row for row in _all(connection) if key in (row["id"], row["hint"])]
    if len(rows) != 1:
        raise Failure(f"{len(rows)} keys begin with {key}: give the id." if rows else f"There is no key {key}.")
    return cast(Row, rows[0])


def _require_sections(connection: sa.Connection, refs: list[str]) -> None:
    for ref in refs:
        if SECTIONS.find(connection, ref) is None:
            raise Failure(f"There is no section {ref}.")


def _all(connection: sa.Connection) -> Iterator[Any]:
    cursor: str | None = None
    while True:
        page = keys.list_api_keys(connection, PageQuery(limit=100, cursor=cursor))
        yield from page["data"]
        cursor = page["page"]["next"]
        if cursor is None:
            return


def _state(row: Any) -> str:
    if row["revoked_at"]:
        return "revoked"
    if row["expires_at"] is None:
        return "active"
    until = format_rfc3339(row["expires_at"].replace(microsecond=0))
    return f"expired {until}" if row["expires_at"] <= now() else f"until {until}"
