"""What tokens in mails can end. They are made with the mail, stored nowhere, and work for ever.

They name an address by its hash, and what it hears of by kind and target: who asks again for what they once ended can
end it by any mail that ever came from it.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, get_args

import sqlalchemy as sa
from sqlmodel import Session

from app.core.ids import as_id
from app.core.problems import NotFound
from app.db.columns import Row
from app.identity.schemas import Actor
from app.identity.secrets import UNSUBSCRIBE_PREFIX, Vault
from app.subscriptions import subscriptions
from app.subscriptions.schemas import SITE, Kind, TargetType, address_hash
from app.subscriptions.subscriptions import SUBSCRIPTION, of_subscriber, subscriber_at
from app.subscriptions.suppressions import suppress

MOST: Final = 4  # subscriptions that a token names one by one
_THESE, _DAILY, _WEEKLY, _ALL, _NEW = "01", "02", "03", "04", "05"
_DIGESTS = {"daily": _DAILY, "weekly": _WEEKLY}
_KINDS = get_args(Kind)  # by their places: new ones come last, or old links end something else
_TYPES = ("participant", *get_args(TargetType))
_HASH, _ID, _NAME = 64, 32, 34  # characters of an address, of an id, and of a kind and target
_NONE = "0" * _ID


class Scope(NamedTuple):
    """What a token ends for an address: some subscriptions, a digest, all new articles, or everything."""

    what: str
    address: str  # its hash
    article_id: str | None = None  # whose discussion it ends
    named: frozenset[tuple[str, str]] = frozenset()  # kinds and targets

    @property
    def everything(self) -> bool:
        """Whether the address gets no mail at all any more."""
        return self.what == _ALL


def token_for(vault: Vault, email: str, subscriptions: Sequence[Row]) -> str:
    """The token that ends what led to a mail. So many that they would make it too long are ended with all of a kind.

    Of a discussion it ends all: who leaves it hears neither of replies to any comment of theirs nor of the thread.
    """
    articles = [row["article_id"] for row in subscriptions if row["article_id"]]
    others = [row for row in subscriptions if not row["article_id"]]
    if len(others) > MOST:
        return _token(vault, _NEW, email)
    return _token(vault, _THESE, email, _digits(articles[0]) if articles else _NONE, *map(_name, others))


def token_for_digest(vault: Vault, email: str, frequency: str) -> str:
    """The token that ends everything that comes in a digest."""
    return _token(vault, _DIGESTS[frequency], email)


def token_for_all(vault: Vault, email: str) -> str:
    """The token that ends everything for good."""
    return _token(vault, _ALL, email)


def _token(vault: Vault, what: str, email: str, *rest: str) -> str:
    return vault.seal_token(UNSUBSCRIBE_PREFIX, "".join((what, address_hash(email), *rest)))


def _digits(one: str) -> str:
    return one.replace("-", "")


def _name(row: Row) -> str:
    """A kind and a target in hexadecimal digits."""
    kind, _, target_id = row["target"].partition(":")
    return f"{_KINDS.index(row['kind']):x}{_TYPES.index(kind):x}{_digits(target_id) or _NONE}"


def _named(text: str) -> tuple[str, str]:
    kind, target = _KINDS[int(text[0], 16)], _TYPES[int(text[1], 16)]
    return kind, target if target == SITE else f"{target}:{as_id(text[2:])}"


def scope_of(vault: Vault, token: str) -> Scope:
    """What a token ends; 404 for one that this server did not make."""
    body = vault.unseal_token(UNSUBSCRIBE_PREFIX, token)
    if body is None or len(body) < 2 + _HASH:
        raise NotFound("This link is not one of ours.")
    what, address, rest = body[:2], body[2 : 2 + _HASH], body[2 + _HASH :]
    article, names = rest[:_ID], rest[_ID:]
    found = frozenset(_named(names[at : at + _NAME]) for at in range(0, len(names), _NAME))
    return Scope(what, address, as_id(article) if article not in ("", _NONE) else None, found)


def within(store: sa.Connection | Session, scope: Scope) -> list[Row]:
    """The subscriptions that would end, those that wait to be confirmed too."""
    who = subscriber_at(store, scope.address)
    return [row for row in of_subscriber(store, who["id"]) if _is_within(scope, row)] if who else []


def _is_within(scope: Scope, row: Any) -> bool:
    if scope.what == _THESE:
        is_there = scope.article_id is not None and row["article_id"] == scope.article_id
        return is_there or (row["kind"], row["target"]) in scope.named
    if scope.what == _NEW:
        return bool(row["kind"] == "articles.new")
    return scope.everything or _DIGESTS.get(row["frequency"]) == scope.what


def unsubscribe(session: Session, _actor: Actor, vault: Vault, token: str) -> None:
    """End it. Twice changes nothing, and a link never grows too old for it."""
    scope = scope_of(vault, token)
    if scope.everything:
        suppress(session, scope.address, "unsubscribe")
    elif ids := [row["id"] for row in within(session, scope)]:
        subscriptions.end(session, SUBSCRIPTION.c.id.in_(ids))
