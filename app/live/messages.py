"""Events of live streams, built for all streams at once: one statement for articles, one for their comments."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import pydantic_core
import sqlalchemy as sa

from app.articles.discussion_settings import parse_tally
from app.articles.tables import SITE_ID
from app.comments.reading import COLUMNS, TABLES, C, CommentRow, present_comment
from app.comments.schemas import CommentOut
from app.comments.visibility import IS_PUBLISHED, SubjectRow, Visibility, read_visibility
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
from app.live.schemas import ArticleFrames, Batch, Frame, LiveArticleOut, LiveCountsOut, LiveRemovedOut, make_frame
from app.publication.section_tree import find_descendants
from app.web.fields import dump_json

BATCH_SIZE = 100  # events
_IDS = sa.bindparam("ids", expanding=True, type_=C.c.id.type)
_COMMENTS = sa.select(*COLUMNS).select_from(TABLES).where(C.c.id.in_(_IDS), IS_PUBLISHED)
_SHOWN = CommentPublished | CommentEdited
_ENDED = ArticleUnpublished | ArticleRetracted | ArticlePurged
_CHANGES = {  # `fields` of `article.updated`, where the event has none
    "article.published": ["state"],
    "article.corrected": ["corrections"],
    "article.correction_changed": ["corrections"],
    "article.correction_withdrawn": ["corrections"],
    "discussion.changed": ["discussion"],
    "article.anchors_resolved": ["anchors"],
    "anchor.changed": ["anchors"],
}
_HIDDEN_MEMBERS = {"target_id"}  # may be the id of something that is not public


def read_new_events(
    connection: sa.Connection, position: Position, seen: int | None
) -> tuple[int | None, list[LoggedEvent]]:
    """Return the data version and the next events; the log is not read if the version is still `seen`."""
    version = read_data_version(connection)
    return version, [] if version is not None and version == seen else read_after(connection, position, BATCH_SIZE)


def changes_counts(entry: LoggedEvent) -> bool:
    """Return whether an event changes what `counts` sends."""
    return isinstance(entry.event, CommentPublished | CommentRemoved | CommentVoted | ArticleReacted)


def find_followed_article(entry: LoggedEvent) -> str | None:
    """Return the article whose streams are sent an event; None for events about several articles or none."""
    match entry.event:
        case None | NoticeChanged() | NoticeDeleted():
            return None
        case _:
            return entry.article_id


def _concerns_many(entry: LoggedEvent) -> bool:
    """Return whether an event is about the discussions of a section or of the whole site."""
    match entry.event:
        case DiscussionChanged(scope=scope):
            return scope != "article"
        case _:
            return False


class _Subjects(NamedTuple):
    """The subjects of a batch as readers see them now."""

    visibility: Visibility
    comments: dict[str, CommentRow]  # published ones
    reactions: Sequence[str]
    inside: dict[str, set[str]]  # the sections below each section whose discussions were set, and itself


def _find_published(connection: sa.Connection, ids: Collection[str]) -> dict[str, CommentRow]:
    rows = fetch_rows(connection, _COMMENTS, CommentRow, {"ids": sorted(ids)}) if ids else []
    return {row["id"]: row for row in rows}


def build_frames(
    connection: sa.Connection, batch: Batch, followed: Collection[str], reactions: Sequence[str]
) -> dict[str, ArticleFrames]:
    """Build the frames of a batch for the streams of each followed article, by its id."""
    about: dict[str, list[LoggedEvent]] = {article_id: [] for article_id in batch.due}
    for entry in batch.entries:
        followed_id = find_followed_article(entry)
        for article_id in followed if _concerns_many(entry) else {followed_id} & set(followed):
            about.setdefault(str(article_id), []).append(entry)
    comment_ids = {
        e.subject_id for entries in about.values() for e in entries if isinstance(e.event, _SHOWN) and e.subject_id
    }
    visibility = read_visibility(connection, articles=about)
    comments = _find_published(connection, comment_ids.union(*batch.due.values()))
    sections = {e.subject_id for entries in about.values() for e in entries if _concerns_many(e) and e.subject_id}
    inside = {section_id: find_descendants(connection, [section_id]) for section_id in sorted(sections - {SITE_ID})}
    subjects = _Subjects(visibility, comments, reactions, inside)
    return {
        article_id: _build_article_frames(subjects, article_id, entries, batch.due)
        for article_id, entries in about.items()
    }


def _build_article_frames(
    subjects: _Subjects, article_id: str, entries: Iterable[LoggedEvent], due: dict[str, set[str]]
) -> ArticleFrames:
    article = subjects.visibility.articles.get(article_id)
    if article is None or not article["public"]:
        ended = [entry for entry in entries if isinstance(entry.event, _ENDED)]
        return ArticleFrames([_make_update(entry, article) for entry in ended if article], bool(ended))
    frames = [frame for entry in entries for frame in _make_frames(subjects, article, entry)]
    if article_id in due:
        frames.append(_make_counts(subjects, article, due[article_id]))
    return ArticleFrames(frames, False)


def _make_frames(subjects: _Subjects, article: SubjectRow, entry: LoggedEvent) -> Iterator[Frame]:
    """Yield the frame of an event of a public article, if there is still something to send."""
    match entry.event:
        case CommentPublished() | CommentEdited() as event:
            comment = subjects.comments.get(event.subject_id)
            if comment is not None and subjects.visibility.has_discussion(article["id"]):
                yield make_frame(entry.type, dump_json(CommentOut, present_comment(comment)), entry.position)
        case CommentRemoved() as event:
            removed = {"id": event.subject_id, **event.payload()}
            yield make_frame(entry.type, dump_json(LiveRemovedOut, removed), entry.position)
        case DiscussionChanged(subject_id=subject_id) if _concerns_many(entry):
            if subject_id == SITE_ID or article["section_id"] in subjects.inside[subject_id]:
                yield _make_update(entry, article)
        case _ if entry.type in _CHANGES:
            yield _make_update(entry, article)
        case ArticleUpdated():
            yield _make_update(entry, article)


def _make_update(entry: LoggedEvent, article: SubjectRow) -> Frame:
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
    return make_frame("article.updated", dump_json(LiveArticleOut, out), entry.position)


def _make_counts(subjects: _Subjects, article: SubjectRow, voted: Iterable[str]) -> Frame:
    rows = [subjects.comments[comment_id] for comment_id in voted if comment_id in subjects.comments]
    is_shown = subjects.visibility.has_discussion(article["id"])
    votes = {row["id"]: present_comment(row)["votes"] for row in rows if is_shown}
    return make_frame(
        "counts", dump_json(LiveCountsOut, parse_tally(article["tally"], subjects.reactions) | {"votes": votes})
    )


def make_site_frame(entry: LoggedEvent) -> Frame:
    """Make the frame of an event for the stream of the publication, like a webhook message."""
    payload = entry.event.payload() if entry.event else {}
    members = {name: value for name, value in payload.items() if name not in _HIDDEN_MEMBERS}
    data = {"id": entry.subject_id, "position": str(entry.position), "cache_groups": entry.groups, **members}
    body = pydantic_core.to_json({"type": entry.type, "timestamp": format_rfc3339(entry.at), "data": data})
    return make_frame(entry.type, body, entry.position)
