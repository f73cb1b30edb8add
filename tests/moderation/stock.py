"""Comments and participants as they stand in the store, for tests of what moderation does with them."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient

from app.comments.lifecycle import index_comment
from app.comments.tables import Comment
from app.core.clock import now
from app.core.ids import new_id
from app.db import Database
from app.db.columns import table_of
from app.identity.schemas import Actor
from app.identity.tables import Participant
from tests.make import Headers, ok

C, PARTICIPANT = table_of(Comment), table_of(Participant)


def participant(db: Database, **fields: Any) -> str:
    """Somebody who writes; returns the id."""
    row = {
        "id": new_id(),
        "kind": "guest",
        "name": "Guest",
        "approved": 0,
        "rejected": 0,
        "created_at": now(),
        **fields,
    }
    row.setdefault("public_id", str(row["id"]).replace("-", ""))
    with db.transaction() as session:
        session.execute(sa.insert(PARTICIPANT).values(row))
    return str(row["id"])


def comment(db: Database, article: dict[str, Any], text: str = "Well said.", *, age: int = 0, **fields: Any) -> str:
    """A comment, `age` minutes old; returns its id."""
    comment_id = new_id()
    state = fields.get("state", "pending")
    author = fields.get("participant_id") or participant(db)
    row = {
        "id": comment_id,
        "article_id": article["id"],
        "parent_id": None,
        "root_id": comment_id,
        "under_id": article["id"],
        "depth": 0,
        "state": state,
        "listed": state == "published",
        "participant_id": author,
        "author_id": author.replace("-", ""),
        "author_name": "Guest",
        "author_kind": "guest",
        "badges": [],
        "source": text,
        "html": f"<p>{text}</p>",
        "text": text,
        "fingerprint": "",
        "created_at": now() - timedelta(minutes=age),
        "removed_by": "moderator" if state == "removed" else None,
        **fields,
    }
    with db.transaction() as session:
        session.execute(sa.insert(C).values(row))
        index_comment(session, comment_id, row["author_name"], text)
    return comment_id


def stored(db: Database, table: sa.Table, **where: Any) -> list[Any]:
    """Rows of a table, in the order of their time."""
    order = [table.c[name] for name in ("at", "created_at") if name in table.c]
    with db.connect() as connection:
        wanted = [table.c[name] == value for name, value in where.items()]
        query = sa.select(table).where(*wanted).order_by(*order, *table.primary_key)
        return list(connection.execute(query).mappings())


def state_of(db: Database, comment_id: str) -> str:
    """The state of a comment."""
    return str(stored(db, C, id=comment_id)[0]["state"])


def guest(participant_id: str) -> Actor:
    """The caller behind a participant."""
    return Actor("guest", participant_id)


def by_token(comment_id: str) -> Actor:
    """Whoever holds the edit token of a comment."""
    return Actor("edit", comment=comment_id)


def queued(client: TestClient, headers: Headers, query: str = "") -> list[dict[str, Any]]:
    """The items of the queue."""
    items: list[dict[str, Any]] = ok(client.get(f"/v1/moderation/queue?{query}", headers=headers))["data"]
    return items


def ids(items: list[dict[str, Any]]) -> list[str]:
    """Their ids."""
    return [item["id"] for item in items]


def decide(client: TestClient, headers: Headers, comment_id: str, action: str, **body: Any) -> dict[str, Any]:
    """A decision that is made."""
    answer: dict[str, Any] = ok(client.post(f"/v1/comments/{comment_id}/{action}", json=body, headers=headers))
    return answer


def report(client: TestClient, comment_id: str, address: str = "10.0.0.1", **fields: Any) -> Any:
    """A stranger's report on a comment, from an address."""
    stranger = TestClient(client.app, client=(address, 50000), raise_server_exceptions=False)
    return stranger.post(f"/v1/comments/{comment_id}/reports", json={"reason": "abuse", **fields})
