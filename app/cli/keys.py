"""`broadsheet keys`: manage API keys."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import sqlalchemy as sa
import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from app.cli.common import Failure, open_store, say, show
from app.core.clock import format_rfc3339, now
from app.core.models import BaseModel
from app.core.settings import Settings
from app.db.rows import JsonObject
from app.identity import keys
from app.identity.keys import ApiKeyRow
from app.identity.schemas import PUBLISHABLE_SCOPE, SCOPES, SYSTEM, KeyIn, KeyPatch
from app.web.paging import PageQuery

app = typer.Typer(help="Create, list, change and revoke API keys.", no_args_is_help=True)
M = TypeVar("M", bound=BaseModel)
_SPAN = re.compile(r"([1-9]\d{0,4})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def _parse_time(text: str) -> datetime:
    """Parse a span from now (`12h`, `90d`, `8w`) or a time in RFC 3339 with an offset."""
    if span := _SPAN.fullmatch(text):
        return now() + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise typer.BadParameter("give a span like 12h, 90d or 8w, or a time like 2030-01-31T12:00:00Z")
    return time


KeyReference = Annotated[str, typer.Argument(metavar="ID|HINT", help="The key's id, or its first characters.")]
Sections = Annotated[
    list[str] | None, typer.Option(help="Id or slug of a section that the key is limited to; repeat for more.")
]
Expires = Annotated[
    datetime | None,
    typer.Option(
        parser=_parse_time,
        metavar="SPAN|TIME",
        help="When the key expires: a span such as 90d, or a time in RFC 3339.",
    ),
]
QuotaMinute = Annotated[int | None, typer.Option(help="Requests per minute.")]
QuotaDay = Annotated[int | None, typer.Option(help="Requests per 24 hours.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="The key's purpose.")],
    scope: Annotated[list[str] | None, typer.Option(help=f"A scope; repeat for more: {', '.join(SCOPES)}.")] = None,
    publishable: Annotated[
        bool, typer.Option("--publishable", help=f"The scope {PUBLISHABLE_SCOPE}: reads what anybody may read.")
    ] = False,
    section: Sections = None,
    expires: Expires = None,
    quota_minute: QuotaMinute = None,
    quota_day: QuotaDay = None,
) -> None:
    """Create a key and print it on the last line. It is shown only once."""
    from app.people.grants import find_grants_of_owner
    from app.publication.api_keys import create_key

    if publishable == bool(scope):
        raise typer.BadParameter("give --scope or --publishable")
    quotas = {"quota_minute": quota_minute, "quota_day": quota_day}
    data = _validate(
        KeyIn,
        {
            "name": name,
            "scopes": scope or [PUBLISHABLE_SCOPE],
            "sections": section or None,
            "expires_at": expires,
            **quotas,
        },
    )
    with open_store(Settings()) as db:
        with db.connect() as connection:
            _require_sections(connection, section or [])
        with db.transaction() as session:
            key_id, key = create_key(session, SYSTEM, find_grants_of_owner, data)
        say(f"Created key {key_id}. Save it now: only its hash is stored.")
    typer.echo(key)


@app.command("list")
def list_keys() -> None:
    """List all keys, newest first; the keys themselves are never shown."""
    table = Table("id", "hint", "name", "scopes", "sections", "state", "created", "last used", box=None)
    with open_store(Settings()) as db, db.connect() as connection:
        for row in _iterate_keys(connection):
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
    key: KeyReference,
    name: Annotated[str | None, typer.Option(help="The key's purpose.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="A new scope; repeat for more.")] = None,
    section: Sections = None,
    all_sections: Annotated[bool, typer.Option("--all-sections", help="Remove the limit to sections.")] = False,
    expires: Expires = None,
    never_expires: Annotated[bool, typer.Option("--never-expires", help="Remove the expiry.")] = False,
    quota_minute: QuotaMinute = None,
    quota_day: QuotaDay = None,
) -> None:
    """Change a key's name, scopes or limits; every process applies the change within a second."""
    from app.people.grants import find_grants_of_owner
    from app.publication.api_keys import change_key

    if (section and all_sections) or (expires and never_expires):
        raise typer.BadParameter("--section excludes --all-sections, and --expires excludes --never-expires")
    options: JsonObject = {"name": name, "scopes": scope, "sections": section, "expires_at": expires}
    options |= {"quota_minute": quota_minute, "quota_day": quota_day}
    values = {field: value for field, value in options.items() if value}
    values |= {"sections": None} if all_sections else {}
    values |= {"expires_at": None} if never_expires else {}
    if not values:
        raise typer.BadParameter("give at least one option")
    data = _validate(KeyPatch, values)
    with open_store(Settings()) as db:
        with db.connect() as connection:
            row = _find_key(connection, key)
            _require_sections(connection, section or [])
        if row["revoked_at"]:
            raise Failure(f"Key {row['id']} is revoked.")
        with db.transaction() as session:
            change_key(session, SYSTEM, find_grants_of_owner, row["id"], data)
        say(f"Changed key {row['id']}: {', '.join(sorted(values))}.")


@app.command()
def revoke(
    key: KeyReference,
) -> None:
    """Revoke a key: every process refuses it within a second."""
    with open_store(Settings()) as db:
        with db.connect() as connection:
            row = _find_key(connection, key)
        if row["revoked_at"]:
            say(f"Key {row['id']} was revoked already.")
            return
        with db.transaction() as session:
            keys.revoke_api_key(session, SYSTEM, row["id"])
        say(f"Revoked key {row['id']}, {row['name']}.")


def _validate(model: type[M], values: JsonObject) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"{first['loc'][0]}: {first['msg']}") from None


def _find_key(connection: sa.Connection, key: str) -> ApiKeyRow:
    """Find the only key with this id or these first characters."""
    rows = [row for row in _iterate_keys(connection) if key in (row["id"], row["hint"])]
    if len(rows) != 1:
        raise Failure(f"{len(rows)} keys begin with {key}; give the id." if rows else f"There is no key {key}.")
    return rows[0]


def _require_sections(connection: sa.Connection, refs: list[str]) -> None:
    from app.publication.taxonomies import SECTIONS

    for ref in refs:
        if SECTIONS.find(connection, ref) is None:
            raise Failure(f"There is no section {ref}.")


def _iterate_keys(connection: sa.Connection) -> Iterator[ApiKeyRow]:
    cursor: str | None = None
    while True:
        page = keys.list_api_keys(connection, PageQuery(limit=100, cursor=cursor))
        yield from page["data"]
        cursor = page["page"]["next"]
        if cursor is None:
            return


def _state(row: ApiKeyRow) -> str:
    if row["revoked_at"]:
        return "revoked"
    if row["expires_at"] is None:
        return "active"
    until = format_rfc3339(row["expires_at"].replace(microsecond=0))
    return f"expired {until}" if row["expires_at"] <= now() else f"until {until}"
