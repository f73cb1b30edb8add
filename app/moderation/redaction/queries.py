"""Reading the former texts of a comment."""

from typing import Any

import sqlalchemy as sa

from app.comments.body import Body, fingerprint
from app.comments.tables import CommentRevision
from app.identity.schemas import Actor
from app.kit.paging import Sort, fetch
from app.kit.problems import NotFound
from app.kit.schema import table_of
from app.moderation.queries import C, check_reach
from app.moderation.redaction.schemas import CommentRevisionQuery

_REVISION = table_of(CommentRevision)
_ARTICLE = sa.select(C.c.article_id).where(C.c.id == sa.bindparam("id", type_=C.c.id.type))
NEWEST = Sort("-number", descending=True, kind=int)
_COLUMNS = [_REVISION.c[name] for name in "id number replaced_at replaced_by source html text".split()]


def list_revisions(
    connection: sa.Connection, actor: Actor, comment_id: str, query: CommentRevisionQuery
) -> dict[str, Any]:
    """A page of the texts that a comment had before each change, newest first; 404 for what the key does not reach."""
    article_id = connection.execute(_ARTICLE, {"id": comment_id}).scalar_one_or_none()
    if article_id is None:
        raise NotFound
    check_reach(connection, actor, article_id)
    rows = sa.select(*_COLUMNS).where(_REVISION.c.comment_id == comment_id)
    return fetch(connection, rows, NEWEST, _REVISION.c.number, query, within=comment_id)


def text_before_redaction(connection: sa.Connection, comment_id: str) -> Body | None:
    """The text that its author wrote last, where moderators have changed it since; None where they have not."""
    rows = connection.execute(
        sa.select(*(_REVISION.c[name] for name in ("source", "html", "text", "replaced_by")))
        .where(_REVISION.c.comment_id == comment_id)
        .order_by(_REVISION.c.number.desc())
    )
    former = None
    for row in rows:
        if row.replaced_by != "moderator":
            break
        former = Body(row.source, row.html, row.text, (), fingerprint(row.text))
    return former
