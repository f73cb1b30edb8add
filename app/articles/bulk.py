"""Running one operation of a bulk request."""

from sqlmodel import Session

from app.articles import editing, publishing
from app.articles.editing import PreparedBody
from app.articles.editorial_schemas import AnyBulkOp, BulkPatch, BulkPublish, BulkRetract, BulkSchedule
from app.articles.projection import IndexArticle
from app.articles.revisions import find_version
from app.core.problems import Forbidden
from app.db.rows import JsonObject
from app.identity.schemas import Actor, Scope
from app.web import etag

WRITE_OPERATIONS = ("patch", "delete")  # all others need content:publish


def scope_of(op: str) -> Scope:
    """Return the scope that the single route of an operation requires."""
    return "content:write" if op in WRITE_OPERATIONS else "content:publish"


def run_operation(
    session: Session, actor: Actor, index_article: IndexArticle, op: AnyBulkOp, prepared: PreparedBody | None
) -> JsonObject:
    """Run one operation by the function of its single route; returns a result as `BulkResultOut`."""
    if not actor.may(scope_of(op.op)):
        raise Forbidden(f"This operation needs the scope {scope_of(op.op)}.")
    versions = etag.parse_if_match(op.if_match)
    if op.op == "delete":
        editing.delete_article(session, actor, op.article, versions)
        return {"op": op.op, "id": None, "status": 204, "version": None, "etag": None}
    article_id = _change_article(session, actor, index_article, op, versions, prepared)
    session.flush()
    row = find_version(session.connection(), article_id)
    version = row["version"] if row else None
    return {"op": op.op, "id": article_id, "status": 200, "version": version, "etag": f'"v{version}"'}


def _change_article(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    op: AnyBulkOp,
    versions: frozenset[int] | None,
    prepared: PreparedBody | None,
) -> str:
    if isinstance(op, BulkPatch):
        text, after = prepared or (None, None)
        return editing.update_article(session, actor, index_article, op.article, op.body, versions, text, after)
    if isinstance(op, BulkPublish):
        return publishing.publish_article(
            session, actor, index_article, op.article, versions, op.body.revision if op.body else None
        )
    if isinstance(op, BulkRetract):
        return publishing.retract_article(session, actor, index_article, op.article, op.body, versions)
    if isinstance(op, BulkSchedule):
        return publishing.schedule_article(
            session, actor, index_article, op.article, op.body.at, versions, op.body.revision
        )
    verb = publishing.unpublish_article if op.op == "unpublish" else publishing.unschedule_article
    return verb(session, actor, index_article, op.article, versions)
