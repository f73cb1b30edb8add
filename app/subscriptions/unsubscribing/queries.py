"""What tokens in mails can end. They are made with the mail, stored nowhere, and work for ever."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session

from app.identity.secrets.actions import UNSUBSCRIBE, Vault
from app.kit.ids import as_id
from app.kit.problems import NotFound
from app.kit.schema import Row
from app.subscriptions.queries import by_ids, of_subscriber

MOST: Final = 4  # subscriptions that a token names one by one
_THESE, _DAILY, _WEEKLY, _ALL, _NEW = "01", "02", "03", "04", "05"
_DIGESTS = {"daily": _DAILY, "weekly": _WEEKLY}


class Scope(NamedTuple):
    """What a token ends: some subscriptions, or of one subscriber a digest, all new articles, or everything."""

    what: str
    ids: tuple[str, ...]

    @property
    def everything(self) -> bool:
        """Whether the address gets no mail at all any more."""
        return self.what == _ALL


def _token(vault: Vault, what: str, *ids: str) -> str:
    return vault.sealed(UNSUBSCRIBE, what + "".join(one.replace("-", "") for one in ids))


def token_for(vault: Vault, subscriber_id: str, subscriptions: Sequence[str]) -> str:
    """The token that ends what led to a mail. So many that they would make it too long are ended with all of a kind."""
    if len(subscriptions) > MOST:
        return _token(vault, _NEW, subscriber_id)
    return _token(vault, _THESE, *subscriptions)


def token_for_digest(vault: Vault, subscriber_id: str, frequency: str) -> str:
    """The token that ends everything that comes in a digest."""
    return _token(vault, _DIGESTS[frequency], subscriber_id)


def token_for_all(vault: Vault, subscriber_id: str) -> str:
    """The token that ends everything for good."""
    return _token(vault, _ALL, subscriber_id)


def scope_of(vault: Vault, token: str) -> Scope:
    """What a token ends; 404 for one that this server did not make."""
    body = vault.unsealed(UNSUBSCRIBE, token)
    if body is None or len(body) % 32 != 2:
        raise NotFound("This link is not one of ours.")
    return Scope(body[:2], tuple(as_id(body[at : at + 32]) for at in range(2, len(body), 32)))


def within(store: sa.Connection | Session, scope: Scope) -> list[Row]:
    """The subscriptions that hold and would end.

    Whoever leaves a discussion leaves all of it: replies to every comment of theirs, and the whole thread.
    """
    if scope.what == _THESE:
        named = by_ids(store, scope.ids)
        articles = {(row["subscriber_id"], row["article_id"]) for row in named if row["article_id"]}
        found = {row["id"]: row for row in named}
        for subscriber_id, article_id in sorted(articles):
            for row in of_subscriber(store, subscriber_id):
                if row["article_id"] == article_id:
                    found.setdefault(row["id"], row)
        return [found[one] for one in sorted(found)]
    return [row for row in of_subscriber(store, scope.ids[0]) if _is_within(scope.what, row)]


def _is_within(what: str, row: Any) -> bool:
    if what == _NEW:
        return bool(row["kind"] == "articles.new")
    return what == _ALL or bool(_DIGESTS.get(row["frequency"]) == what)
