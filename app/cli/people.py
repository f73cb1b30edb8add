"""`broadsheet people`: invite, list and suspend the people of the staff."""

from typing import Annotated

import sqlalchemy as sa
import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text
from sqlmodel import Session

from app.cli.common import Failure, open_store, say, show
from app.core.clock import format_rfc3339
from app.core.ids import is_id
from app.core.settings import Settings
from app.db.rows import JsonObject
from app.identity.schemas import SYSTEM
from app.people.people import PERSON, list_people
from app.people.schemas import PeopleQuery
from app.people.tables import Person

app = typer.Typer(help="Invite, list and suspend the people who sign in.", no_args_is_help=True)
PersonReference = Annotated[str, typer.Argument(metavar="ID|EMAIL", help="The person's id or e-mail address.")]


@app.command()
def invite(
    name: Annotated[str, typer.Option(help="Name of the person.")],
    email: Annotated[str, typer.Option(help="E-mail address with which the person signs in.")],
    role: Annotated[
        str | None, typer.Option(help="A role: reporter, editor, desk, moderator, admin, or one of your own.")
    ] = None,
    section: Annotated[
        list[str] | None, typer.Option(help="Id or slug of a section for which the role is; repeat for more.")
    ] = None,
) -> None:
    """Create a person, or find the one with this address, and print an invitation on the last line.

    No mail is sent. Whoever can sign in already sets up another password or passkey with it.
    """
    from app.identity.secrets import Vault
    from app.people.invitations import create_invitation
    from app.people.people import create_person, find_person_by_email, set_grants
    from app.people.schemas import NewPersonIn, PersonGrantIn

    if section and role is None:
        raise typer.BadParameter("--section needs --role")
    try:
        data = NewPersonIn.model_validate({"name": name, "email": email})
        grants = [PersonGrantIn.model_validate({"role": role, "sections": section or None})] if role else []
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"{first['loc'][0]}: {first['msg']}") from None
    settings, vault = Settings(), Vault()
    with open_store(settings) as db, db.transaction() as session:
        person = find_person_by_email(session, data.email)
        person_id = person.id if person else create_person(session, SYSTEM, data)
        if grants:
            set_grants(session, SYSTEM, person_id, grants)
        vault.fill(session)
        token = create_invitation(session, SYSTEM, vault, None, person_id).token
    say("The invitation is good for once, within 7 days. Give it to nobody else.")
    typer.echo(f"{settings.invitation_page}{token}")


@app.command("list")
def list_all() -> None:
    """List all people who are not deleted, newest first."""
    table, query = (
        Table("id", "name", "e-mail", "state", "roles", "signs in with", "last", box=None),
        PeopleQuery(limit=100),
    )
    with open_store(Settings()) as db, db.connect() as connection:
        while True:
            page = list_people(connection, query, SYSTEM)
            for row in page["data"]:
                table.add_row(*_cells(row))
            if page["page"]["next"] is None:
                break
            query = query.model_copy(update={"cursor": page["page"]["next"]})
    show(table)


def _cells(row: JsonObject) -> list[str | Text]:
    from app.people.schemas import PersonOut

    person = PersonOut.model_validate(row)
    last = format_rfc3339(person.signed_in_at.replace(microsecond=0)) if person.signed_in_at else "never"
    roles = " ".join(sorted({grant.role for grant in person.grants}))
    return [
        person.id,
        Text(person.name),
        Text(person.email or ""),
        person.state,
        roles or "none",
        " ".join(person.methods or []) or "nothing",
        last,
    ]


@app.command()
def suspend(person: PersonReference) -> None:
    """Suspend a person: every process refuses them within a second, and all their sessions end."""
    from app.people.people import update_person
    from app.people.schemas import PersonPatch

    with open_store(Settings()) as db, db.transaction() as session:
        row = _find_person(session, person)
        update_person(session, SYSTEM, row.id, PersonPatch(suspended=True))
        say(f"Suspended {row.name}.")


@app.command()
def restore(person: PersonReference) -> None:
    """Let a suspended person sign in again."""
    from app.people.people import update_person
    from app.people.schemas import PersonPatch

    with open_store(Settings()) as db, db.transaction() as session:
        row = _find_person(session, person)
        update_person(session, SYSTEM, row.id, PersonPatch(suspended=False))
        say(f"{row.name} can sign in again.")


def _find_person(session: Session, person: str) -> Person:
    """Find the person with this id or e-mail address."""
    is_it = PERSON.c.id == person if is_id(person) else PERSON.c.email == person.lower()
    row = session.scalars(sa.select(Person).where(is_it)).one_or_none()
    if row is None or row.deleted_at is not None:
        raise Failure(f"There is no person {person}.")
    return row
