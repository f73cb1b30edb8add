"""Posting a comment: its author, place, anchor, moderation and counters, all in one transaction."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple, TypedDict

import pydantic_core
import sqlalchemy as sa
from sqlmodel import Session

from app.anchors import anchors
from app.articles.discussion_settings import PostingContext, find_closed_at, is_open
from app.articles.reading import ARTICLE_AUTHOR
from app.comments.lifecycle import ParentNotPublished, announce_comment, index_comment, is_shadow
from app.comments.moderation import Attempt, ModeratedState, ModerationPipeline, PreparedText, Reason, Submission
from app.comments.reading import C, StoredComment, get_readable_article
from app.comments.rendering import Body, render_markdown
from app.comments.schemas import CommentIn, State
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict, Forbidden, Invalid, Unavailable
from app.db.prepared import Prepared
from app.db.rows import JsonObject, Store, dialect_of
from app.identity.participants import ParticipantRow, find_caller, get_or_create_participant
from app.identity.permissions import OTHER_SECTIONS
from app.identity.schemas import Actor
from app.identity.secrets import Vault
from app.people.staff_names import is_staff_name
from app.publication.taxonomies import AUTHORS
from app.text.names import public_name

MAX_OFFLINE_AGE = timedelta(hours=24)  # how long a comment may wait on a device for a connection
_ID = sa.bindparam("id", type_=C.c.id.type)
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("id", type_=sa.Text()), 0)))
_INSERT: Prepared[JsonObject] = Prepared(sa.insert(C), C.c.keys())
_SELECT_BYLINE = sa.select(ARTICLE_AUTHOR.c.author_id).where(
    ARTICLE_AUTHOR.c.article_id == sa.bindparam("article", type_=ARTICLE_AUTHOR.c.article_id.type),
    ARTICLE_AUTHOR.c.author_id == sa.bindparam("author", type_=ARTICLE_AUTHOR.c.author_id.type),
)


class DiscussionClosed(Conflict, code="discussion_closed", title="The discussion is closed"):
    """The article does not accept comments, or no longer."""


class IdTaken(Conflict, code="id_taken", title="Another comment has this id"):
    """Somebody else's comment has this id. Generate a new one (UUIDv7)."""


class IdReused(Invalid, code="id_reused", title="This id belongs to another comment of the same author"):
    """The caller has posted another comment with this id."""


class NameReserved(Invalid, code="name_reserved", title="This name is reserved"):
    """The name is that of a member of the publication's staff, or looks like it."""


class Poster(NamedTuple):
    """The caller who posts, with what posting needs besides the comment."""

    actor: Actor
    vault: Vault
    pipeline: ModerationPipeline
    site_name: str
    addresses: tuple[str, ...]  # hashes of the network address, under the current and the previous salt
    host: str | None  # the address itself, of which only hashes are stored
    token: str | None  # the token that a stranger will get


class Posted(NamedTuple):
    """The result of posting a comment."""

    id: str
    state: State
    is_new: bool
    is_mine: bool  # the caller has shown that they are its author
    reasons: tuple[Reason, ...] = ()
    row: StoredComment | None = None  # of a new comment without an anchor, so that the answer needs no further read


class _PostedBefore(TypedDict):
    id: str
    participant_id: str | None
    request: str | None
    state: State
    shadow: bool


class _Parent(TypedDict):
    id: str
    article_id: str
    root_id: str
    depth: int
    state: State
    shadow: bool
    participant_id: str | None


_SELECT_POSTED: Prepared[_PostedBefore] = Prepared(
    sa.select(C.c.id, C.c.participant_id, C.c.request, C.c.state, C.c.shadow).where(C.c.id == _ID)
)
_SELECT_PARENT: Prepared[_Parent] = Prepared(
    sa.select(*(C.c[name] for name in "id article_id root_id depth state shadow participant_id".split())).where(
        C.c.id == _ID
    )
)


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
    """Return a hash of a comment, to recognise retries."""
    return hashlib.sha256(article_id.encode() + pydantic_core.to_json(data)).hexdigest()


def check_may_write(actor: Actor) -> None:
    """Raise 403 for callers who cannot take part: keys that only read, and tokens for other purposes."""
    if actor.kind in ("edit", "subscriber"):
        raise Forbidden("This token is valid only for one comment or for subscriptions.")
    if actor.is_staff and not (actor.may("content:write") or actor.may("comments:moderate")):
        raise Forbidden("Commenting as staff requires the scope content:write or comments:moderate.")


def _check_section(actor: Actor, article: PostingContext) -> None:
    section_id = article.section_id
    if actor.is_staff and not (
        actor.may_in("content:write", section_id) or actor.may_in("comments:moderate", section_id)
    ):
        raise Forbidden(OTHER_SECTIONS)


def _find_posted(store: Store, comment_id: str) -> _PostedBefore | None:
    return _SELECT_POSTED.row(store, {"id": comment_id})


def _find_replay(session: Session, actor: Actor, comment_id: str, request: str) -> Posted | None:
    """Return the comment that was posted with this id before, or None; refuse another comment with the same id."""
    if dialect_of(session) == "postgresql":
        session.execute(_LOCK, {"id": comment_id})  # waits for a concurrent request with the same id
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
        raise IdReused("Another comment was posted with this id.", pointer="/id", code="id_reused")
    state: State = "published" if row["shadow"] else row["state"]
    return Posted(comment_id, state, is_new=False, is_mine=is_mine)


def _find_parent(store: Store, article: PostingContext, data: CommentIn) -> _Parent | None:
    if data.parent_id is None:
        return None
    if data.anchor is not None or data.anchor_id is not None:
        raise Invalid("Replies cannot have an anchor of their own.", pointer="/parent_id", code="anchored_reply")
    row = _SELECT_PARENT.row(store, {"id": data.parent_id})
    if row is None or row["article_id"] != article.article_id:
        raise Invalid("There is no such comment on this article.", pointer="/parent_id", code="not_found")
    return row


def _is_late(store: Store, article: PostingContext, data: CommentIn, moment: datetime) -> bool:
    """Return whether a comment was written before the discussion closed and is sent afterwards; 409 if too late."""
    if is_open(article.rules):
        return False
    written = data.created_at
    if written is None or not moment - MAX_OFFLINE_AGE <= written <= moment:
        raise DiscussionClosed
    closed = find_closed_at(store, article)
    if closed is None or not written <= closed <= moment:
        raise DiscussionClosed
    return True


def _identify_author(session: Session, poster: Poster, data: CommentIn) -> tuple[ParticipantRow, str]:
    """Return the participant who writes, created if necessary, and the name to show."""
    given = data.author
    name, claims = given.name if given else None, poster.actor.reader
    if poster.actor.kind == "anonymous" and name is None:
        raise Invalid("A guest needs a name.", pointer="/author", code="required")
    site_name = claims.name if claims else None
    profile = AUTHORS.find(session.connection(), claims.author) if claims and claims.author else None
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
    # Names from earlier comments are checked too: staff may have joined since.
    if not site_name and person["kind"] != "staff":
        _check_name(session, poster, shown_name)
    return person, shown_name


def _check_name(store: Store, poster: Poster, name: str) -> None:
    if is_staff_name(store, name, poster.site_name):
        raise NameReserved("This name is reserved.", pointer="/author/name", code="name_reserved")


def _badges(session: Session, article: PostingContext, person: ParticipantRow) -> list[str]:
    if person["kind"] != "staff":
        return []
    values = {"article": article.article_id, "author": person["author_id"]}
    wrote = person["author_id"] is not None and session.execute(_SELECT_BYLINE, values).first() is not None
    return ["staff", "author"] if wrote else ["staff"]


class PostCheck(NamedTuple):
    """The result of the checks that do not need the text."""

    attempt: Attempt
    is_known: bool  # it was posted before, so that there is nothing to prepare


def check_post(store: Store, poster: Poster, ref: str, data: CommentIn, ahead: Collection[str] = ()) -> PostCheck:
    """Refuse a comment that `post_comment` would refuse whatever its text, by cheap reads alone.

    `ahead` are the ids of comments of the same batch that will be posted before, to which this one may reply.
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
        is_staff=poster.actor.is_staff or (person is not None and person["kind"] == "staff"),
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
    poster.pipeline.check_attempt(store, attempt, len(ahead))
    return PostCheck(attempt, is_known=False)


def _is_parent_pending(parent: _Parent | None, person: ParticipantRow | None) -> bool:
    """Return whether the parent is a pending comment of the same author; 409 for any other parent not published."""
    if parent is None or parent["state"] == "published":
        return False
    if (
        person is None
        or parent["participant_id"] != person["id"]
        or not (parent["state"] == "pending" or parent["shadow"])
    ):
        raise ParentNotPublished
    return True


def post_comment(session: Session, poster: Poster, ref: str, data: CommentIn, prepared: PreparedText | None) -> Posted:
    """Post a comment, or return the one that was posted before with the same id."""
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
    if prepared is None:  # it existed when the request was checked, and was deleted since
        raise Unavailable("Send the comment again.")
    submission = Submission(
        comment_id=comment_id,
        article_id=article.article_id,
        section_id=article.section_id,
        moderation=article.rules.moderation,
        participant=person,
        kind=person["kind"],
        name=name,
        email=person["email"],
        body=prepared.body,
        addresses=poster.addresses,
        is_edit=False,
        must_wait=is_late or waits_for_parent,
        at=moment,
        under_id=data.parent_id,
    )
    verdict = poster.pipeline.evaluate(session, submission, prepared.checker_verdict, prepared.analysis)
    row = _build_row(
        submission,
        data,
        parent,
        state=verdict.state,
        shadow=is_shadow(verdict),
        risk=poster.pipeline.assess_risk(verdict),
        request=request,
        anchor_id=_resolve_anchor(session, article, data, person),
        badges=_badges(session, article, person),
        address_ranges=_address_ranges(poster, data),
    )
    _INSERT.run(session, row)
    index_comment(session, comment_id, row["author_name"], row["text"])
    if row["listed"]:
        announce_comment(session, row)
    if verdict.reasons or not row["listed"]:
        poster.pipeline.log_verdict(session, submission, verdict)
    shown_row = row if row["anchor_id"] is None else None
    state, reasons = ("published", ()) if is_shadow(verdict) else (verdict.state, verdict.reasons)
    return Posted(comment_id, state, is_new=True, is_mine=True, reasons=reasons, row=shown_row)


def _address_ranges(poster: Poster, data: CommentIn) -> str | None:
    """Return the hashes of the address's network ranges for authors who want mail, else None."""
    if data.notify == "none" or poster.host is None:
        return None
    hashes = poster.vault.hash_ranges(poster.host)
    return " ".join(hashes) if hashes else None


def _resolve_anchor(session: Session, article: PostingContext, data: CommentIn, person: ParticipantRow) -> str | None:
    """Return the id of the comment's anchor, created if it is new, or None."""
    if data.anchor is None:
        if data.anchor_id is not None:
            anchors.require_anchor(session, article.article_id, data.anchor_id)
        return data.anchor_id
    if data.anchor_id is not None:
        raise Invalid("Send either anchor or anchor_id, not both.", pointer="/anchor_id", code="conflicting")
    return anchors.create_anchor(session, article.article_id, data.anchor, person["id"])


def _build_row(
    submission: Submission,
    data: CommentIn,
    parent: _Parent | None,
    *,
    state: ModeratedState,
    shadow: bool,
    risk: int,
    request: str | None,
    anchor_id: str | None,
    badges: list[str],
    address_ranges: str | None,
) -> StoredComment:
    """Build the row of a new comment."""
    person, comment_id, addresses = submission.participant, submission.comment_id, submission.addresses
    body = submission.body
    return {
        "id": comment_id,
        "article_id": submission.article_id,
        "parent_id": parent["id"] if parent else None,
        "root_id": parent["root_id"] if parent else comment_id,
        "under_id": parent["id"] if parent else submission.article_id,
        "depth": parent["depth"] + 1 if parent else 0,
        "anchor_id": anchor_id,
        "state": state,
        "listed": state == "published",
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
        "badges": badges,
        "email": submission.email,
        "notify": data.notify,
        "address_hash": addresses[0] if addresses else None,
        "address_ranges": address_ranges,
        "source": body.source,
        "html": body.html,
        "text": body.text,
        "fingerprint": body.fingerprint,
        "request": request,
        "approved_text": False,
        "risk": risk,
        "shadow": shadow,
        "removed_in": None,
        "version": 1,
        "created_at": submission.at,
        "edited_at": None,
        "redacted_at": None,
        "removed_by": None,
        "withdrawn_at": None,
    }
