"""Running one operation of a bulk request."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlmodel import Session

from app.articles import approving, editing, publishing
from app.articles.approval_schemas import SubmitIn
from app.articles.bulk_schemas import (
    AnyBulkOp,
    BulkApprove,
    BulkPatch,
    BulkPublish,
    BulkRetract,
    BulkReturn,
    BulkSchedule,
    BulkSubmit,
)
from app.articles.editing import PreparedBody
from app.articles.projection import IndexArticle
from app.articles.revisions import find_version
from app.core.problems import Forbidden
from app.db.rows import JsonObject
from app.identity.schemas import Actor, Scope
from app.web import etag

_SCOPES: Mapping[str, Scope] = MappingProxyType(
    {
        **dict.fromkeys(("patch", "delete", "submit"), "content:write"),
        **dict.fromkeys(("approve", "return"), "content:approve"),
    }
)
"""The scopes of operations that do not need content:publish."""


def scope_of(op: str) -> Scope:
    """Return the scope that the single route of an operation requires."""
    return _SCOPES.get(op, "content:publish")


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
    if isinstance(op, BulkSubmit):
        return approving.submit_article(session, actor, op.article, op.body or SubmitIn(), versions)
    if isinstance(op, BulkApprove):
        return approving.approve_article(session, actor, op.article, op.body, versions)
    if isinstance(op, BulkReturn):
        return approving.return_article(session, actor, op.article, op.body, versions)
    verb = publishing.unpublish_article if op.op == "unpublish" else publishing.unschedule_article
    return verb(session, actor, index_article, op.article, versions)
