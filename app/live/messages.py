"""What streams are sent, read for all of them at once: a statement for the articles and one for their comments."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import pydantic_core
import sqlalchemy as sa

from app.articles.discussion_settings import parse_tally
from app.articles.tables import SITE_ID
from app.comments.reading import COLUMNS, TABLES, C, CommentRow, present_comment
from app.comments.schemas import CommentOut
from app.comments.visibility import SubjectRow, Visibility, read_visibility
from app.core.clock import format_rfc3339
from app.db.rows import fetch_rows
from app.events.catalog import (
    ArticlePurged,
    ArticleReacted,
    ArticleRetracted,
    ArticleUnpublished,
    ArticleUpdated,
    CommentEdited,
    CommentPublished,
    CommentRemoved,
    CommentVoted,
    DiscussionChanged,
    LoggedEvent,
    NoticeChanged,
    NoticeDeleted,
)
from app.events.log import read_after, read_data_version
from app.events.schemas import Position
from app.live.schemas import Batch, Frame, LiveArticleOut, LiveCountsOut, LiveRemovedOut, Told, framed
from app.publication.section_tree import find_descendants
from app.web.responses import dump_json

MOST = 100  # facts that are read at once
_IDS = sa.bindparam("ids", expanding=True, type_=C.c.id.type)
_COMMENTS = sa.select(*COLUMNS).select_from(TABLES).where(C.c.id.in_(_IDS))
_SHOWN = CommentPublished | CommentEdited
_ENDED = ArticleUnpublished | ArticleRetracted | ArticlePurged
_CHANGES = {  # what `article.updated` names, where the fact does not
    "article.published": ["state"],
    "article.corrected": ["corrections"],
    "article.correction_changed": ["corrections"],
    "article.correction_withdrawn": ["corrections"],
    "discussion.changed": ["discussion"],
    "article.anchors_resolved": ["anchors"],
    "anchor.changed": ["anchors"],
}
_KEPT_BACK = {"target_id"}  # may name what is not public


def look(connection: sa.Connection, position: Position, seen: int | None) -> tuple[int | None, list[LoggedEvent]]:
    """The next facts. Where a stamp tells that nothing was committed since it was `seen`, the log is not read."""
    now = read_data_version(connection)
    return now, [] if now is not None and now == seen else read_after(connection, position, MOST)


def is_counted(entry: LoggedEvent) -> bool:
    """Return whether an event changes what `counts` sends."""
    return isinstance(entry.event, CommentPublished | CommentRemoved | CommentVoted | ArticleReacted)


def article_of(entry: LoggedEvent) -> str | None:
    """Return the article whose streams are sent an event; None for events about several articles or none."""
    match entry.event:
        case None | NoticeChanged() | NoticeDeleted():
            return None
        case _:
            return entry.article_id


def _is_of_many(entry: LoggedEvent) -> bool:
    """Return whether an event is about the discussions of a section or of the whole site."""
    match entry.event:
        case DiscussionChanged(scope=scope):
            return scope != "article"
        case _:
            return False


class _Seen(NamedTuple):
    """What readers see now of the subjects of a batch: events are sent as far as it still shows what they report."""

    visibility: Visibility
    comments: dict[str, CommentRow]
    reactions: Sequence[str]
    inside: dict[str, set[str]]  # of each section whose discussions were set: it and all sections inside of it


def _find_comments(connection: sa.Connection, ids: Collection[str]) -> dict[str, CommentRow]:
    rows = fetch_rows(connection, _COMMENTS, CommentRow, {"ids": sorted(ids)}) if ids else []
    return {row["id"]: row for row in rows}


def tell(
    connection: sa.Connection, batch: Batch, followed: Collection[str], reactions: Sequence[str]
) -> dict[str, Told]:
    """What the streams of each of the followed articles are sent for a batch, by the article's id."""
    about: dict[str, list[LoggedEvent]] = {article_id: [] for article_id in batch.due}
    for entry in batch.entries:
        one = article_of(entry)
        for article_id in followed if _is_of_many(entry) else {one} & set(followed):
            about.setdefault(str(article_id), []).append(entry)
    wanted = {
        e.subject_id for entries in about.values() for e in entries if isinstance(e.event, _SHOWN) and e.subject_id
    }
    visibility = read_visibility(connection, articles=about, comments=wanted)
    comments = _find_comments(connection, visibility.published_comments.union(*batch.due.values()))
    sections = {e.subject_id for entries in about.values() for e in entries if _is_of_many(e) and e.subject_id}
    inside = {section_id: find_descendants(connection, [section_id]) for section_id in sorted(sections - {SITE_ID})}
    seen = _Seen(visibility, comments, reactions, inside)
    return {article_id: _told(seen, article_id, entries, batch.due) for article_id, entries in about.items()}


def _told(seen: _Seen, article_id: str, entries: Iterable[LoggedEvent], due: dict[str, set[str]]) -> Told:
    article = seen.visibility.articles.get(article_id)
    if article is None or not article["public"]:
        ended = [entry for entry in entries if isinstance(entry.event, _ENDED)]
        return Told([_updated(entry, article) for entry in ended if article], bool(ended))
    frames = [frame for entry in entries for frame in _frames(seen, article, entry)]
    if article_id in due:
        frames.append(_counts(seen, article, due[article_id]))
    return Told(frames, False)


def _frames(seen: _Seen, article: SubjectRow, entry: LoggedEvent) -> Iterator[Frame]:
    """Yield the frame of an event of a public article, if there is still something to send."""
    match entry.event:
        case CommentPublished() | CommentEdited() as event:
            comment = seen.comments.get(event.subject_id)
            if comment is not None and seen.visibility.shows(entry):
                yield framed(entry.type, dump_json(CommentOut, present_comment(comment)), entry.position)
        case CommentRemoved() as event:
            removed = {"id": event.subject_id, **event.payload()}
            yield framed(entry.type, dump_json(LiveRemovedOut, removed), entry.position)
        case DiscussionChanged(subject_id=subject_id) if _is_of_many(entry):
            if subject_id == SITE_ID or article["section_id"] in seen.inside[subject_id]:
                yield _updated(entry, article)
        case _ if entry.type in _CHANGES:
            yield _updated(entry, article)
        case ArticleUpdated():
            yield _updated(entry, article)


def _updated(entry: LoggedEvent, article: SubjectRow) -> Frame:
    updated = entry.event.fields if isinstance(entry.event, ArticleUpdated) else []
    out = {
        "id": article["id"],
        "slug": article["slug"],
        "revision": article["revision"],
        "reason": None,
        "state": "published",
        "fields": _CHANGES.get(entry.type) or updated or ["state"],
    }
    if not article["public"]:
        out["state"] = "retracted" if article["state"] == "retracted" else "unpublished"
        out["reason"] = article["retraction_reason"] if article["state"] == "retracted" else None
    return framed("article.updated", dump_json(LiveArticleOut, out), entry.position)


def _counts(seen: _Seen, article: SubjectRow, voted: Iterable[str]) -> Frame:
    rows = [seen.comments[comment_id] for comment_id in voted if comment_id in seen.comments]
    is_shown = seen.visibility.has_discussion(article["id"])
    votes = {row["id"]: present_comment(row)["votes"] for row in rows if is_shown and row["state"] == "published"}
    return framed("counts", dump_json(LiveCountsOut, parse_tally(article["tally"], seen.reactions) | {"votes": votes}))


def public_frame(entry: LoggedEvent) -> Frame:
    """A fact as integrators get it: thin, in the form of Standard Webhooks."""
    payload = entry.event.payload() if entry.event else {}
    about = {name: value for name, value in payload.items() if name not in _KEPT_BACK}
    data = {"id": entry.subject_id, "position": str(entry.position), "cache_groups": entry.groups, **about}
    body = pydantic_core.to_json({"type": entry.type, "timestamp": format_rfc3339(entry.at), "data": data})
    return framed(entry.type, body, entry.position)
