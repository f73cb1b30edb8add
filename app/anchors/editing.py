"""Prompts, and corrections of anchors by editors."""

from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import (
    ANCHOR,
    QuoteNotFound,
    add_history,
    create_anchor,
    find_passage,
    lock_public_article,
    place_columns,
    read_texts,
)
from app.anchors.resolution import ORPHANED, Resolution, Text
from app.anchors.schemas import AnchorIn, AnchorPatch, PromptIn
from app.articles.exposure import check_attachment
from app.articles.projection import WrongState, lock_article
from app.articles.tables import Article
from app.core.ids import is_id
from app.core.problems import Conflict, NotFound
from app.db.rows import JsonObject, get_row
from app.events.catalog import AnchorChanged
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.web import etag

Versions = frozenset[int] | None


class AlreadyAsked(Conflict, code="already_asked", title="The passage already has a question"):
    """The passage has another question already; change that one instead."""


def _require_public(article: Article) -> None:
    if not article.public:
        raise WrongState("Only public articles can have anchors.")


def _lock_article(session: Session, actor: Actor, ref: str) -> Article:
    """Lock the article: 404 unless the caller may see it, 403 outside the key's sections or without the needed
    scope.
    """
    article = lock_article(session, actor, ref, None, [], scope="content:write")
    check_attachment(actor, article)
    if article.state == "retracted":
        raise WrongState("The article is retracted.")
    return article


class LockedAnchor(TypedDict):
    """The columns of an anchor that changes depend on."""

    id: str
    article_id: str
    version: int
    kind: str
    question: str | None
    state: str
    revision: int
    block_id: str | None
    redacted: bool


_SELECT_FOR_UPDATE = (
    sa.select(*(ANCHOR.c[name] for name in LockedAnchor.__annotations__))
    .where(ANCHOR.c.id == sa.bindparam("anchor", type_=ANCHOR.c.id.type))
    .with_for_update()
)


def _lock_anchor(session: Session, actor: Actor, anchor_id: str, versions: Versions, fields: list[str]) -> LockedAnchor:
    """Lock an anchor after its article; 404, 403 and 412 as for articles."""
    owner = sa.select(ANCHOR.c.article_id).where(ANCHOR.c.id == anchor_id)
    article_id = session.execute(owner).scalar_one_or_none() if is_id(anchor_id) else None
    if article_id is None:
        raise NotFound
    _lock_article(session, actor, article_id)
    row = get_row(session, _SELECT_FOR_UPDATE, LockedAnchor, {"anchor": anchor_id})
    etag.check_version(row["version"], versions, fields)
    return row


def _apply_change(session: Session, actor: Actor, row: LockedAnchor, values: JsonObject, verb: str) -> str:
    values = {**values, "version": row["version"] + 1}
    session.execute(sa.update(ANCHOR).where(ANCHOR.c.id == row["id"]).values(values))
    emit(session, AnchorChanged(subject_id=row["id"], article_id=row["article_id"]))
    record_action(session, actor, f"anchor.{verb}", "anchor", row["id"], {"article": row["article_id"]})
    return row["id"]


def create_prompt(session: Session, actor: Actor, ref: str, data: PromptIn) -> str:
    """Create a prompt on a passage, or turn its existing anchor into one. Return its id."""
    article = _lock_article(session, actor, ref)
    _require_public(article)
    anchor_id = create_anchor(session, article.id, data, actor.id, pointer="")
    row = get_row(session, _SELECT_FOR_UPDATE, LockedAnchor, {"anchor": anchor_id})
    if row["kind"] == "prompt":
        if row["question"] != data.question:
            raise AlreadyAsked
        return anchor_id
    return _apply_change(session, actor, row, {"kind": "prompt", "question": data.question}, "ask")


def update_anchor(session: Session, actor: Actor, anchor_id: str, data: AnchorPatch, versions: Versions) -> str:
    """Change the question or the place of an anchor."""
    changes = data.model_dump(exclude_unset=True)
    row = _lock_anchor(session, actor, anchor_id, versions, sorted(changes))
    values: JsonObject = {}
    if "question" in changes and changes["question"] != row["question"]:
        values = {"question": changes["question"], "kind": "prompt" if changes["question"] else "passage"}
    if "place" in changes:
        values |= _move_anchor(session, actor, row, data.place)
    return _apply_change(session, actor, row, values, "change") if values else anchor_id


def _move_anchor(session: Session, actor: Actor, row: LockedAnchor, data: AnchorIn) -> JsonObject:
    """Move an anchor to a place chosen by an editor, the base of later relocations. The quote stays."""
    if row["redacted"]:
        raise WrongState("A redacted anchor stays with its block and cannot be moved.")
    article = lock_public_article(session, row["article_id"])
    named, _, passage, resolution = find_passage(session, article, data, "/place")
    if named != article["revision"]:
        raise QuoteNotFound("Give the place in the public revision.", pointer="/place/revision", code="not_current")
    add_history(session, row["id"], named, resolution, method="editor", by=actor.id)
    base = {"base_revision": named, "base_start": passage.start, "base_end": passage.end}
    return {**base, **place_columns(resolution), "revision": named}


def detach_anchor(session: Session, actor: Actor, anchor_id: str, versions: Versions) -> str:
    """Detach an anchor from the text until an editor moves it; its comments stay."""
    row = _lock_anchor(session, actor, anchor_id, versions, ["state"])
    if row["state"] == "detached":
        return anchor_id
    add_history(session, row["id"], row["revision"], ORPHANED._replace(state="detached"), method="editor", by=actor.id)
    return _apply_change(session, actor, row, {"state": "detached"}, "detach")


def resolve_to_block(text: Text, block_id: str | None) -> Resolution:
    """Resolve a redacted anchor to its whole block, or to orphaned without it."""
    number = None if block_id is None else text.at.get(block_id)
    if number is None:
        return ORPHANED
    span = text.spans[number]
    return Resolution("anchored", "none", 1.0, span.start, span.end, span.id)


def redact_anchor(session: Session, actor: Actor, anchor_id: str, versions: Versions) -> str:
    """Erase the quote permanently; comments stay with the block as long as it exists."""
    row = _lock_anchor(session, actor, anchor_id, versions, ["exact"])
    if row["redacted"]:
        return anchor_id
    values: JsonObject = {"exact": None, "prefix": None, "suffix": None, "redacted": True}
    if row["state"] not in {"detached", "orphaned"}:
        text = read_texts(session.connection(), row["article_id"], {row["revision"]})[row["revision"]]
        resolution = resolve_to_block(text, row["block_id"])
        add_history(session, row["id"], row["revision"], resolution, method="block", by=actor.id)
        values |= place_columns(resolution) if resolution.start is not None else {"state": resolution.state}
    return _apply_change(session, actor, row, values, "redact")
