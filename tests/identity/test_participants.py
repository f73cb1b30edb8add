"""Taking part: who is behind a caller, what is believed of them, and how they leave."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import new_id
from app.core.problems import Forbidden, Unauthorized
from app.db import Database
from app.db.columns import Row
from app.identity import participants
from app.identity.keys import create_api_key
from app.identity.participants import (
    adjust_trust,
    confirm_email,
    erase_participant,
    get_or_create_participant,
)
from app.identity.schemas import ANONYMOUS, SYSTEM, Actor, Claims
from app.identity.secrets import GUEST_PREFIX, Vault
from app.identity.tokens import hash_token, make_token

pytestmark = pytest.mark.portable

Statements = list[str]


@pytest.fixture
def vault(session: Session) -> Vault:
    found = Vault()
    found.fill(session)
    return found


@pytest.fixture
def session(db: Database) -> Iterator[Session]:
    with db.transaction() as found:
        yield found


@pytest.fixture
def ran(session: Session) -> Iterator[Statements]:
    """The statements that run from here on."""
    seen: Statements = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if "SAVEPOINT" not in statement:
            seen.append(statement.split()[0])

    engine = session.connection().engine
    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def guest(session: Session, vault: Vault) -> Callable[..., Actor]:
    """Make a guest; gives the caller with their token."""

    def make(**about: Any) -> Actor:
        row = get_or_create_participant(session, vault, ANONYMOUS, token=make_token(GUEST_PREFIX), **about)
        return Actor("guest", row["id"])

    return make


def reader(subject: str = "ann", **claims: Any) -> Actor:
    found = Claims(subject=f"https://site.example|{subject}", **claims)
    return Actor("reader", name=found.name or "", reader=found)


def stored(session: Session, participant_id: str) -> Row:
    row = participants.find_participant_by(session, "id", participant_id)
    assert row is not None
    return row


def test_a_stranger_becomes_a_guest_in_one_statement(session: Session, vault: Vault, ran: Statements) -> None:
    token = make_token(GUEST_PREFIX)
    row = get_or_create_participant(session, vault, ANONYMOUS, name="Ann", email="Ann@Example.org", token=token)
    assert ran == ["INSERT"]
    assert (row["kind"], row["name"], row["email"], row["confirmed_at"]) == ("guest", "Ann", "ann@example.org", None)
    assert row["public_id"] == vault.public_id(row["id"])
    kept = stored(session, row["id"])
    assert dict(kept) == dict(row)
    assert token not in str(dict(kept))
    assert kept["token_hash"] == hash_token(token)


def test_the_same_token_is_the_same_guest(session: Session, vault: Vault) -> None:
    token = vault.derive_guest_token("nonce")
    first = get_or_create_participant(session, vault, ANONYMOUS, name="Ann", token=token)
    assert get_or_create_participant(session, vault, ANONYMOUS, name="Bob", token=token)["id"] == first["id"]
    assert stored(session, first["id"])["name"] == "Ann"


def test_a_stranger_needs_a_token(session: Session, vault: Vault) -> None:
    with pytest.raises(ValueError, match="token"):
        get_or_create_participant(session, vault, ANONYMOUS, name="Ann")


def test_a_known_guest_costs_one_select(
    session: Session, vault: Vault, guest: Callable[..., Actor], ran: Statements
) -> None:
    actor = guest(name="Ann", email="a@b.example")
    ran.clear()
    assert get_or_create_participant(session, vault, actor)["name"] == "Ann"
    assert get_or_create_participant(session, vault, actor, name="Ann", email="A@b.example")["email"] == "a@b.example"
    assert ran == ["SELECT", "SELECT"]
    assert get_or_create_participant(session, vault, actor, name="Bo")["name"] == "Bo"
    assert ran[2:] == ["SELECT", "UPDATE"]
    assert stored(session, str(actor.id))["name"] == "Bo"


def test_an_email_that_was_typed_proves_nothing(session: Session, vault: Vault, guest: Callable[..., Actor]) -> None:
    proven = get_or_create_participant(session, vault, reader(email="ann@b.example", verified=True))
    typed = guest(email="ANN@b.example")
    row = get_or_create_participant(session, vault, typed, email="ann@b.example")
    assert (row["id"] != proven["id"], row["confirmed_at"]) == (True, None)
    assert [found["id"] for found in participants.list_by_confirmed_email(session, "Ann@B.example")] == [proven["id"]]


def test_another_email_is_to_be_proven_again(session: Session, vault: Vault, guest: Callable[..., Actor]) -> None:
    actor = guest(email="ann@b.example")
    assert not confirm_email(session, str(actor.id), "other@b.example")
    assert confirm_email(session, str(actor.id), "Ann@b.example")
    assert get_or_create_participant(session, vault, actor, email="ann@b.example")["confirmed_at"] is not None
    row = get_or_create_participant(session, vault, actor, email="other@b.example")
    assert row["confirmed_at"] is stored(session, str(actor.id))["confirmed_at"] is None


def test_a_reader_is_what_the_site_says(session: Session, vault: Vault) -> None:
    first = get_or_create_participant(
        session, vault, reader(name="Ann", email="a@b.example"), name="Ignored", email="x@y.example"
    )
    assert (first["kind"], first["name"], first["email"], first["confirmed_at"]) == (
        "reader",
        "Ann",
        "a@b.example",
        None,
    )
    again = get_or_create_participant(session, vault, reader(name="Ann M.", email="a@b.example", verified=True))
    assert (again["id"], again["name"]) == (first["id"], "Ann M.")
    assert stored(session, first["id"])["confirmed_at"] is not None
    moved = get_or_create_participant(session, vault, reader(email="new@b.example"))
    assert (moved["name"], moved["email"], moved["confirmed_at"]) == ("Ann M.", "new@b.example", None)
    assert get_or_create_participant(session, vault, reader("bob"), name="Bob")["id"] != first["id"]


def test_a_reader_whose_site_tells_no_name_gives_one(session: Session, vault: Vault) -> None:
    assert get_or_create_participant(session, vault, reader(), name="Ann")["name"] == "Ann"
    assert get_or_create_participant(session, vault, reader())["name"] == "Ann"


def test_a_reader_with_a_profile_is_staff_while_the_site_says_so(session: Session, vault: Vault) -> None:
    profile = new_id()
    row = get_or_create_participant(session, vault, reader(author="ann"), author_id=profile)
    assert (row["kind"], row["author_id"]) == ("staff", profile)
    row = get_or_create_participant(session, vault, reader())
    assert (row["kind"], row["author_id"]) == ("reader", None)
    assert (
        get_or_create_participant(session, vault, reader("bob", author="bob"))["kind"] == "reader"
    )  # a profile that is not there


def test_a_key_is_staff(session: Session, vault: Vault) -> None:
    key_id, _ = create_api_key(session, SYSTEM, "The desk", ["comments:moderate"])
    session.flush()
    actor = Actor("key", key_id, "The desk")
    first = get_or_create_participant(session, vault, actor)
    assert (first["kind"], first["name"]) == ("staff", "The desk")
    named = get_or_create_participant(session, vault, actor, name="Ann of the desk")
    assert (named["id"], named["name"]) == (first["id"], "Ann of the desk")
    assert get_or_create_participant(session, vault, actor)["name"] == "Ann of the desk"


@pytest.mark.parametrize("actor", [Actor("edit", comment=new_id()), SYSTEM])
def test_others_take_no_part(session: Session, vault: Vault, actor: Actor) -> None:
    with pytest.raises(Forbidden):
        get_or_create_participant(session, vault, actor, name="Ann")
    assert participants.find_caller(session, actor) is None


def test_everybody_is_found_again(session: Session, vault: Vault, guest: Callable[..., Actor]) -> None:
    for actor in (guest(), reader(), Actor("key", new_id(), "k")):
        row = get_or_create_participant(session, vault, actor)
        found = participants.find_caller(session, actor)
        assert found is not None
        assert found["id"] == row["id"]
    for actor in (ANONYMOUS, reader("other"), Actor("key", new_id()), Actor("guest", new_id())):
        assert participants.find_caller(session, actor) is None


def test_trust_moves_and_never_below_none(session: Session, guest: Callable[..., Actor]) -> None:
    one, other = guest(), guest()
    adjust_trust(session, str(one.id), approved=3)
    adjust_trust(session, str(one.id), approved=-1, rejected=1)
    row = stored(session, str(one.id))
    assert (row["approved"], row["rejected"]) == (2, 1)
    adjust_trust(session, str(one.id), approved=-5, rejected=-5)
    row = stored(session, str(one.id))
    assert (row["approved"], row["rejected"]) == (0, 0)
    assert stored(session, str(other.id))["approved"] == 0


def test_who_leaves_leaves_no_trace(session: Session, vault: Vault, guest: Callable[..., Actor]) -> None:
    callers = [guest(name="Ann", email="a@b.example"), reader(name="Ann", email="a@b.example", verified=True)]
    callers.append(Actor("key", new_id(), "Ann"))
    for actor in callers:
        row = get_or_create_participant(session, vault, actor)
        erase_participant(session, row["id"])
        gone = stored(session, row["id"])
        shown = {name: value for name, value in gone.items() if value is not None}
        assert set(shown) == {"id", "kind", "public_id", "approved", "rejected", "created_at", "erased_at"}
        erase_participant(session, row["id"])
        assert stored(session, row["id"])["erased_at"] == gone["erased_at"]
    assert participants.list_by_confirmed_email(session, "a@b.example") == []
    with pytest.raises(Unauthorized):
        get_or_create_participant(session, vault, callers[0], name="Ann")
    assert get_or_create_participant(session, vault, callers[1])["erased_at"] is None  # somebody new
