"""Unsubscribe tokens in mails. They are sealed, not stored, and do not expire.

They contain the hash of the address, and kinds and targets instead of subscription ids, so that every old mail can
also end a subscription that was made again.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, get_args

from sqlmodel import Session

from app.core.ids import id_from_hex
from app.core.problems import NotFound
from app.db.rows import Store
from app.identity.schemas import Actor
from app.identity.secrets import UNSUBSCRIBE_PREFIX, Vault
from app.subscriptions import subscriptions
from app.subscriptions.schemas import SITE, Kind, TargetType, address_hash
from app.subscriptions.subscriptions import (
    SUBSCRIPTION,
    SubscriptionRow,
    find_subscriber_by_address,
    list_subscriptions,
)
from app.subscriptions.suppressions import suppress_address

MAX_NAMED_SUBSCRIPTIONS: Final = 4  # named individually in a token
_THESE, _DAILY, _WEEKLY, _ALL, _NEW = "01", "02", "03", "04", "05"
_DIGESTS = {"daily": _DAILY, "weekly": _WEEKLY}
_KINDS = get_args(Kind)  # encoded by index: append new kinds at the end, or old links would end something else
_TYPES = ("participant", *get_args(TargetType))
_HASH_DIGITS, _ID_DIGITS, _NAME_DIGITS = 64, 32, 34
_NO_ID = "0" * _ID_DIGITS


class Scope(NamedTuple):
    """The scope of an unsubscribe token: named subscriptions, a digest, all new articles, or everything."""

    what: str
    address: str  # its hash
    article_id: str | None = None  # whose discussion it ends
    named: frozenset[tuple[str, str]] = frozenset()  # kinds and targets

    @property
    def everything(self) -> bool:
        """Whether the token ends all mail to the address."""
        return self.what == _ALL


def create_token(vault: Vault, email: str, subscriptions: Sequence[SubscriptionRow]) -> str:
    """Create the token that ends the subscriptions behind a mail; if there are too many, all of their kind.

    For a discussion it ends all of its subscriptions: replies to the reader's comments and the thread.
    """
    articles = [row["article_id"] for row in subscriptions if row["article_id"]]
    others = [row for row in subscriptions if not row["article_id"]]
    if len(others) > MAX_NAMED_SUBSCRIPTIONS:
        return _seal_token(vault, _NEW, email)
    return _seal_token(
        vault, _THESE, email, _hex_digits(articles[0]) if articles else _NO_ID, *map(_encode_name, others)
    )


def create_digest_token(vault: Vault, email: str, frequency: str) -> str:
    """Create the token that ends everything that is sent in a digest."""
    return _seal_token(vault, _DIGESTS[frequency], email)


def create_all_token(vault: Vault, email: str) -> str:
    """Create the token that ends all mail."""
    return _seal_token(vault, _ALL, email)


def _seal_token(vault: Vault, scope: str, email: str, *parts: str) -> str:
    return vault.seal_token(UNSUBSCRIBE_PREFIX, "".join((scope, address_hash(email), *parts)))


def _hex_digits(row_id: str) -> str:
    return row_id.replace("-", "")


def _encode_name(row: SubscriptionRow) -> str:
    """Encode a kind and a target in hexadecimal digits."""
    kind, _, target_id = row["target"].partition(":")
    return f"{_KINDS.index(row['kind']):x}{_TYPES.index(kind):x}{_hex_digits(target_id) or _NO_ID}"


def _decode_name(text: str) -> tuple[str, str]:
    kind, target = _KINDS[int(text[0], 16)], _TYPES[int(text[1], 16)]
    return kind, target if target == SITE else f"{target}:{id_from_hex(text[2:])}"


def read_scope(vault: Vault, token: str) -> Scope:
    """Return the scope of a token; 404 for one that this server did not create."""
    body = vault.unseal_token(UNSUBSCRIBE_PREFIX, token)
    if body is None or len(body) < 2 + _HASH_DIGITS:
        raise NotFound("The unsubscribe link is invalid.")
    what, address, tail = body[:2], body[2 : 2 + _HASH_DIGITS], body[2 + _HASH_DIGITS :]
    article, names = tail[:_ID_DIGITS], tail[_ID_DIGITS:]
    named = frozenset(_decode_name(names[at : at + _NAME_DIGITS]) for at in range(0, len(names), _NAME_DIGITS))
    return Scope(what, address, id_from_hex(article) if article not in ("", _NO_ID) else None, named)


def list_in_scope(store: Store, scope: Scope) -> list[SubscriptionRow]:
    """List the subscriptions in a scope, including unconfirmed ones."""
    who = find_subscriber_by_address(store, scope.address)
    return [row for row in list_subscriptions(store, who["id"]) if _is_within(scope, row)] if who else []


def _is_within(scope: Scope, row: SubscriptionRow) -> bool:
    if scope.what == _THESE:
        is_there = scope.article_id is not None and row["article_id"] == scope.article_id
        return is_there or (row["kind"], row["target"]) in scope.named
    if scope.what == _NEW:
        return row["kind"] == "articles.new"
    return scope.everything or _DIGESTS.get(row["frequency"]) == scope.what


def unsubscribe(session: Session, _actor: Actor, vault: Vault, token: str) -> None:
    """End the subscriptions in a token's scope. Repeating it changes nothing, and tokens do not expire."""
    scope = read_scope(vault, token)
    if scope.everything:
        suppress_address(session, scope.address, "unsubscribe")
    elif ids := [row["id"] for row in list_in_scope(session, scope)]:
        subscriptions.end_subscriptions(session, SUBSCRIPTION.c.id.in_(ids))
