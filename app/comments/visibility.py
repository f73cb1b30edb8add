"""Whether readers see the subjects of events now, read for a batch of events with one statement.

An event reports what was public when it was written; when a consumer reads it, readers may no longer see that. Live
streams, the change feed, webhooks, mails and WebSub ask here.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypedDict

import sqlalchemy as sa

from app.articles.discussion_settings import RULE_COLUMNS, TALLY_COLUMN, join_discussion
from app.articles.reading import ARTICLE, AUTHOR, MEDIA
from app.comments.reading import C
from app.db.columns import is_among
from app.db.prepared import Prepared
from app.db.rows import Statement
from app.events import catalog
from app.site.profile import PROFILE

IS_PUBLISHED: Final = C.c.state == "published"
"""Whether readers see the text of a comment, where they see the discussion."""
IS_MEDIA_SHOWN: Final = (
    sa.exists().where(ARTICLE.c.image_id == MEDIA.c.id, ARTICLE.c.public)
    | sa.exists().where(AUTHOR.c.image_id == MEDIA.c.id)
    | sa.exists().where((PROFILE.c.logo_id == MEDIA.c.id) | (PROFILE.c.icon_id == MEDIA.c.id))
)
"""Whether readers see a picture: beside a public article or an author, or as the logo or icon of the site."""


class SubjectRow(TypedDict):
    """An article as consumers of its events need it."""

    kind: str  # articles
    id: str
    public: bool
    discussion_state: str | None  # open, closed or hidden, before its closing time is applied; None: open
    state: str
    slug: str
    revision: int
    section_id: str | None
    retraction_reason: str | None
    tally: str | None  # for `parse_tally`


class Visibility(NamedTuple):
    """What readers see now of some articles, comments and pictures."""

    articles: Mapping[str, SubjectRow]  # those that exist, public or not
    published_comments: frozenset[str]
    shown_media: frozenset[str]

    def has_article(self, article_id: str) -> bool:
        """Whether readers see an article."""
        article = self.articles.get(article_id)
        return article is not None and article["public"]

    def has_discussion(self, article_id: str) -> bool:
        """Whether readers see an article and its discussion."""
        article = self.articles.get(article_id)
        return article is not None and article["public"] and article["discussion_state"] != "hidden"

    def has_comment(self, article_id: str, comment_id: str) -> bool:
        """Whether readers see the text of a comment on an article."""
        return comment_id in self.published_comments and self.has_discussion(article_id)

    def shows(self, logged: catalog.LoggedEvent) -> bool:
        """Whether readers still see what an event reports. That something was taken away, they may always know."""
        match logged.event:
            case catalog.ArticleUnpublished() | catalog.ArticleRetracted() | catalog.ArticlePurged():
                return True
            case catalog.CommentRemoved(article_id=article_id):
                return self.has_discussion(article_id)
            case catalog.CommentPublished() | catalog.CommentEdited() | catalog.CommentVoted() as event:
                return self.has_comment(event.article_id, event.subject_id)
            case catalog.MediaChanged(subject_id=media_id):
                return media_id in self.shown_media
            case _:
                return logged.article_id is None or self.has_article(logged.article_id)


_DISCUSSION_STATE: Final = next(column for column in RULE_COLUMNS if column.key == "set_state")
_ARTICLES: Final = sa.select(
    sa.literal_column("'articles'").label("kind"),
    ARTICLE.c.id,
    ARTICLE.c.public,
    _DISCUSSION_STATE.label("discussion_state"),
    ARTICLE.c.state,
    ARTICLE.c.slug,
    ARTICLE.c.revision,
    ARTICLE.c.section_id,
    ARTICLE.c.retraction["reason"].as_string().label("retraction_reason"),
    TALLY_COLUMN,
).select_from(join_discussion(ARTICLE))


def _select_ids(kind: str, table: sa.Table, is_shown: sa.ColumnElement[bool]) -> Statement:
    """Select the ids of what is shown, with nulls in the other columns of `_ARTICLES`."""
    nulls = (sa.null().label(name) for name in _ARTICLES.selected_columns.keys()[2:])
    return sa.select(sa.literal_column(f"'{kind}'").label("kind"), table.c.id, *nulls).where(is_shown)


_SELECTS: Final[Mapping[str, tuple[sa.Table, Statement]]] = {
    "articles": (ARTICLE, _ARTICLES),
    "comments": (C, _select_ids("comments", C, IS_PUBLISHED)),
    "media": (MEDIA, _select_ids("media", MEDIA, IS_MEDIA_SHOWN)),
}


@lru_cache(16)
def _select_subjects(kinds: tuple[str, ...], dialect: str) -> Prepared[SubjectRow]:
    """Select what is shown of some ids of each kind, in one statement."""
    selects = [query.where(is_among(dialect, table.c.id, kind)) for kind in kinds for table, query in [_SELECTS[kind]]]
    return Prepared(selects[0] if len(selects) == 1 else sa.union_all(*selects))


def read_visibility(
    connection: sa.Connection,
    *,
    articles: Collection[str] = (),
    comments: Collection[str] = (),
    media: Collection[str] = (),
) -> Visibility:
    """Read what readers see of these ids. Comments are seen in a discussion that is: name their articles, too."""
    given = {"articles": articles, "comments": comments, "media": media}
    ids = {kind: sorted(of_kind) for kind, of_kind in given.items() if of_kind}
    rows = _select_subjects(tuple(ids), connection.dialect.name).rows(connection, ids) if ids else []
    return Visibility(
        {row["id"]: row for row in rows if row["kind"] == "articles"},
        frozenset(row["id"] for row in rows if row["kind"] == "comments"),
        frozenset(row["id"] for row in rows if row["kind"] == "media"),
    )


def read_event_visibility(connection: sa.Connection, entries: Iterable[catalog.LoggedEvent]) -> Visibility:
    """Read what readers see of the subjects of some events."""
    articles, comments, media = set[str](), set[str](), set[str]()
    for entry in entries:
        if entry.article_id is not None:
            articles.add(entry.article_id)
        match entry.event:
            case catalog.CommentPublished() | catalog.CommentEdited() | catalog.CommentVoted() as event:
                comments.add(event.subject_id)
            case catalog.MediaChanged(subject_id=media_id):
                media.add(media_id)
    return read_visibility(connection, articles=articles, comments=comments, media=media)
