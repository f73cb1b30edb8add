"""Posting a comment: author, place, repeats and moderation, all in one transaction."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pydantic_core
import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import anchors
from app.articles.discussion_settings import PostingContext, find_closed_at, is_open
from app.articles.reading import ARTICLE_AUTHOR
from app.comments.lifecycle import ParentNotPublished, announce_comment
from app.comments.reading import C, get_readable_article
from app.comments.rendering import Body, render_markdown
from app.comments.schemas import Attempt, CommentIn, ModerationPipeline, PreparedText, Submission, Verdict
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Forbidden, Invalid, Unavailable
from app.db.columns import Row
from app.db.prepared import Prepared
from app.db.rows import JsonObject
from app.identity.participants import find_caller, get_or_create_participant
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.publication.term_queries import find_author as author_by_ref
from app.publication.term_queries import is_staff_name
from app.text.names import public_name

MAX_OFFLINE_AGE = timedelta(hours=24)  # how long a comment may wait on a phone for a connection
_ID = sa.bindparam("id", type_=C.c.id.type)
_SELECT_POSTED = sa.select(C.c.id, C.c.participant_id, C.c.request, C.c.state).where(C.c.id == _ID)
_SELECT_PARENT = sa.select(C.c.id, C.c.article_id, C.c.root_id, C.c.depth, C.c.state, C.c.participant_id).where(
    C.c.id == _ID
)
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("id", type_=sa.Text()), 0)))
_INSERT: Prepared[JsonObject] = Prepared(sa.insert(C), C.c.keys())
_SELECT_BYLINE = sa.select(ARTICLE_AUTHOR.c.author_id).where(
    ARTICLE_AUTHOR.c.article_id == sa.bindparam("article", type_=ARTICLE_AUTHOR.c.article_id.type),
    ARTICLE_AUTHOR.c.author_id == sa.bindparam("author", type_=ARTICLE_AUTHOR.c.author_id.type),
)


class DiscussionClosed(Conflict):
    """The article takes no comments, or none any more."""

    code, title = "discussion_closed", "The discussion is closed"


class IdTaken(Conflict):
    """Somebody else's comment has this id: make a new one (UUIDv7)."""

    code, title = "id_taken", "Another comment has this id"


class IdReused(Invalid):
    """The same id came with another text before."""

    code, title = "id_reused", "This id belongs to another comment of the same author"


class NameReserved(Invalid):
    """The name is one of the publication's staff, or looks like it."""

    code, title = "name_reserved", "This name is reserved"


class Poster(NamedTuple):
    """What posting needs besides the comment itself."""

    actor: Actor
    vault: Vault
    screen: ModerationPipeline
    site_name: str
    addresses: tuple[str, ...]  # hashes of the network address, under the present salt and the one before
    host: str | None  # the address itself, of which nothing but hashes is stored
    token: str | None  # what a stranger will be known by


class Posted(NamedTuple):
    """What became of a comment that was sent."""

    id: str
    state: str
    verdict: Verdict
    is_new: bool
    is_mine: bool  # the caller has shown that they are its author
    row: Row | None = None  # of a new comment that is not on a passage: for an answer without another read


def unreadable_text(error: ValueError, pointer: str = "/text") -> Invalid:
    """Return the problem for a text that cannot be parsed; it never quotes the text."""
    return Invalid(f"The text cannot be read: {error}.", pointer=pointer, code="unreadable_text")


def render_text(text: str, pointer: str = "/text") -> Body:
    """Render a text as HTML and plain text; 422 if it cannot be parsed or shows nothing."""
    try:
        return render_markdown(text)
    except ValueError as error:
        raise unreadable_text(error, pointer) from error


def _hash_request(article_id: str, data: CommentIn) -> str:
    """Hash a comment, to recognise that it is sent again."""
    return hashlib.sha256(article_id.encode() + pydantic_core.to_json(data)).hexdigest()


def check_may_write(actor: Actor) -> None:
    """Refuse callers who cannot be an author: a key that only reads, and a token for something else."""
    if actor.kind in ("edit", "subscriber"):
        raise Forbidden("This token is for one comment, or for subscriptions, alone.")
    if actor.kind == "key" and not (actor.may("content:write") or actor.may("comments:moderate")):
        raise Forbidden("Writing as staff needs a key with the scope content:write or comments:moderate.")


def _check_section(actor: Actor, article: PostingContext) -> None:
    if not actor.may_in(article.section_id):
        raise Forbidden("The key is limited to other sections.")


def _find_posted(store: sa.Connection | Session, comment_id: str) -> Row | None:
    return store.execute(_SELECT_POSTED, {"id": comment_id}).mappings().first()


def _find_replay(session: Session, actor: Actor, comment_id: str, request: str) -> Posted | None:
    """The comment of this id, if it was posted before: the same one is not posted again, another is refused."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_LOCK, {"id": comment_id})  # a twin that is still running is waited for
    row = _find_posted(session, comment_id)
    if row is None:
        return None
    if row["request"] is None:
        raise IdTaken
    participant_id = actor.id if actor.kind == "guest" else (find_caller(session, actor) or {"id": None})["id"]
    is_mine = participant_id is not None and participant_id == row["participant_id"]
    if not is_mine and (actor.kind != "anonymous" or row["request"] != request):
        raise IdTaken
    if row["request"] != request:
        raise IdReused("The same id came with another comment before.", pointer="/id", code="id_reused")
    return Posted(comment_id, row["state"], Verdict(row["state"]), is_new=False, is_mine=is_mine)


def _find_parent(session: sa.Connection | Session, article: PostingContext, data: CommentIn) -> Row | None:
    if data.parent_id is None:
        return None
    if data.anchor is not None or data.anchor_id is not None:
        raise Invalid("Replies cannot have an anchor of their own.", pointer="/parent_id", code="anchored_reply")
    row = session.execute(_SELECT_PARENT, {"id": data.parent_id}).mappings().first()
    if row is None or row["article_id"] != article.article_id:
        raise Invalid("There is no such comment on this article.", pointer="/parent_id", code="not_found")
    return row


def _is_late(session: sa.Connection | Session, article: PostingContext, data: CommentIn, moment: datetime) -> bool:
    """Whether it was written while the discussion was open and waited for a connection; 409 if it comes too late."""
    if is_open(article.rules):
        return False
    written = data.created_at
    if written is None or not moment - MAX_OFFLINE_AGE <= written <= moment:
        raise DiscussionClosed
    closed = find_closed_at(session, article)
    if closed is None or not written <= closed <= moment:
        raise DiscussionClosed
    return True


def _identify_author(session: Session, poster: Poster, data: CommentIn) -> tuple[Row, str]:
    """Return the participant who writes, created if need be, and the name to show."""
    given = data.author
    name, claims = given.name if given else None, poster.actor.reader
    if poster.actor.kind == "anonymous" and name is None:
        raise Invalid("A guest needs a name.", pointer="/author", code="required")
    site_name = claims.name if claims else None
    profile = author_by_ref(session.connection(), claims.author) if claims and claims.author else None
    person = get_or_create_participant(
        session,
        poster.vault,
        poster.actor,
        name=name,
        email=given.email if given else None,
        token=poster.token,
        author_id=profile["id"] if profile else None,
    )
    shown_name = public_name(site_name or name or person["name"] or "")
    if not shown_name:
        raise Invalid("A name is needed.", pointer="/author", code="required")
    # Also the name of an earlier comment: whose it is may have joined the staff since.
    if not site_name and person["kind"] != "staff":
        _check_name(session, poster, shown_name)
    return person, shown_name


def _check_name(store: sa.Connection | Session, poster: Poster, name: str) -> None:
    if is_staff_name(store, name, poster.site_name):
        raise NameReserved("This name is reserved.", pointer="/author/name", code="name_reserved")


def _badges(session: Session, article: PostingContext, person: Row) -> list[str]:
    if person["kind"] != "staff":
        return []
    values = {"article": article.article_id, "author": person["author_id"]}
    wrote = person["author_id"] is not None and session.execute(_SELECT_BYLINE, values).first() is not None
    return ["staff", "author"] if wrote else ["staff"]


class PostCheck(NamedTuple):
    """Result of the checks that need no text."""

    attempt: Attempt
    is_known: bool  # it was posted before, so that there is nothing to prepare


def check_post(
    store: sa.Connection | Session, poster: Poster, ref: str, data: CommentIn, ahead: Collection[str] = ()
) -> PostCheck:
    """Refuse what cannot be posted, whatever it says: the same as `post` would, by cheap reads alone.

    `ahead` are the comments of a batch that are going to be posted before: this one may answer them.
    """
    article, moment = get_readable_article(store, ref), now()
    _check_section(poster.actor, article)
    person = find_caller(store, poster.actor)
    attempt = Attempt(
        person,
        poster.addresses,
        person["email"] if person else None,
        data.id or article.article_id,
        article.article_id,
        data.parent_id or article.article_id,
        moment,
        is_staff=poster.actor.kind == "key" or (person is not None and person["kind"] == "staff"),
    )
    if data.id is not None and _find_posted(store, data.id) is not None:
        return PostCheck(attempt, is_known=True)
    _is_late(store, article, data, moment)
    if data.parent_id not in ahead:
        _is_parent_pending(_find_parent(store, article, data), person)
    name = data.author.name if data.author else None
    if poster.actor.kind == "anonymous" and name is None and not ahead:
        raise Invalid("A guest needs a name.", pointer="/author", code="required")
    if name is not None and poster.actor.kind in ("anonymous", "guest"):
        _check_name(store, poster, name)
    poster.screen.check_attempt(store, attempt, len(ahead))
    return PostCheck(attempt, is_known=False)


def _is_parent_pending(parent: Row | None, person: Row | None) -> bool:
    """Whether the comment that it answers waits itself, which only its author may answer; 409 for any other."""
    if parent is None or parent["state"] == "published":
        return False
    if person is None or (parent["state"], parent["participant_id"]) != ("pending", person["id"]):
        raise ParentNotPublished
    return True


def post_comment(session: Session, poster: Poster, ref: str, data: CommentIn, prepared: PreparedText | None) -> Posted:
    """Post a comment, once: the same one again gives the first. 409 where nothing can be posted, 422 for a bad one."""
    article = get_readable_article(session, ref)
    _check_section(poster.actor, article)
    request = _hash_request(article.article_id, data) if data.id is not None else None
    if data.id is not None and request and (replay := _find_replay(session, poster.actor, data.id, request)):
        return replay
    moment = now()
    is_late = _is_late(session, article, data, moment)
    parent = _find_parent(session, article, data)
    person, name = _identify_author(session, poster, data)
    waits_for_parent = _is_parent_pending(parent, person)
    comment_id = data.id or new_id()
    if prepared is None:  # it was known a moment ago, and is not any more
        raise Unavailable("Send the comment again.")
    body = prepared.body
    submission = Submission(
        comment_id=comment_id,
        article_id=article.article_id,
        section_id=article.section_id,
        moderation=article.rules.moderation,
        participant=person,
        kind=person["kind"],
        name=name,
        email=person["email"],
        source=body.source,
        html=body.html,
        text=body.text,
        links=body.links,
        fingerprint=body.fingerprint,
        addresses=poster.addresses,
        is_edit=False,
        must_wait=is_late or waits_for_parent,
        at=moment,
        under_id=data.parent_id,
    )
    verdict = poster.screen.evaluate(session, submission, prepared.opinion, prepared.reading)
    row = _build_row(submission, data, parent, request) | {
        "anchor_id": _resolve_anchor(session, article, data, person),
        "address_ranges": _address_ranges(poster, data),
        "badges": _badges(session, article, person),
        "address_hash": poster.addresses[0] if poster.addresses else None,
        "state": verdict.state,
        "listed": verdict.state == "published",
    }
    _INSERT.run(session, row)
    if row["listed"]:
        announce_comment(session, row)
    if verdict.reasons or not row["listed"]:
        poster.screen.log_verdict(session, submission, verdict)
    full_row = None if row["anchor_id"] else {**row, "anchor_kind": None}
    return Posted(comment_id, verdict.state, verdict, is_new=True, is_mine=True, row=full_row)


def _address_ranges(poster: Poster, data: CommentIn) -> str | None:
    """Hashes of the ranges that the address is in, for who asks for mail; None for all others."""
    if data.notify == "none" or poster.host is None:
        return None
    hashes = poster.vault.hash_ranges(poster.host)
    return " ".join(hashes) if hashes else None


def _resolve_anchor(session: Session, article: PostingContext, data: CommentIn, person: Row) -> str | None:
    """Return the id of the comment's anchor, created if it is new."""
    if data.anchor is None:
        if data.anchor_id is not None:
            anchors.require_anchor(session, article.article_id, data.anchor_id)
        return data.anchor_id
    if data.anchor_id is not None:
        raise Invalid("Send either anchor or anchor_id, not both.", pointer="/anchor_id", code="conflicting")
    return anchors.create_anchor(session, article.article_id, data.anchor, person["id"])


def _build_row(submission: Submission, data: CommentIn, parent: Row | None, request: str | None) -> dict[str, Any]:
    """Build the new row, except for columns that need the database."""
    person, comment_id = submission.participant, submission.comment_id
    return {
        "id": comment_id,
        "article_id": submission.article_id,
        "parent_id": parent["id"] if parent else None,
        "root_id": parent["root_id"] if parent else comment_id,
        "under_id": parent["id"] if parent else submission.article_id,
        "depth": parent["depth"] + 1 if parent else 0,
        "replies": 0,
        "featured": False,
        "upvotes": 0,
        "downvotes": 0,
        "best": 0,
        "controversy": 0,
        "participant_id": person["id"],
        "author_id": person["public_id"],
        "author_name": submission.name,
        "author_kind": person["kind"],
        "email": submission.email,
        "notify": data.notify,
        "source": submission.source,
        "html": submission.html,
        "text": submission.text,
        "fingerprint": submission.fingerprint,
        "request": request,
        "approved_text": False,
        "version": 1,
        "created_at": submission.at,
        "edited_at": None,
        "redacted_at": None,
        "removed_by": None,
        "withdrawn_at": None,
    }
