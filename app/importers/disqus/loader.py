"""`broadsheet import disqus`: import the comments of an export to existing articles."""

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import sqlalchemy as sa

from app.db import Database
from app.importers.discussion.comments import (
    ANONYMOUS,
    CommentGroup,
    SourceComment,
    State,
    clean_email,
    clean_name,
    replace_pictures,
)
from app.importers.discussion.importing import CommentImport
from app.importers.disqus.matching import ARTICLE, find_article
from app.importers.disqus.reader import Post
from app.importers.disqus.survey import Survey
from app.importers.ledger import Ledger
from app.importers.report import Report
from app.importers.sources import open_exports
from app.importers.streams import Progress
from app.importers.wordpress.paragraphs import add_paragraphs
from app.publication.site import Site
from app.text.inputs import is_http_url

StartPass = Callable[[str], Progress | None]
"""Callback that gets the name of a pass over the file and returns its progress callback."""

_DATE = sa.select(ARTICLE.c.listed_at).where(ARTICLE.c.id == sa.bindparam("this", type_=ARTICLE.c.id.type))
_MARKUP = re.compile(r"<(?:p|br|div|ul|ol|blockquote|pre)\b", re.IGNORECASE)
_REDIRECT = re.compile(r"https?://(?:www\.)?disq\.us/(?:url)?\?[^\s\"'<>]*", re.IGNORECASE)
_SIGNATURE = re.compile(r":[\w-]{20,44}$", re.ASCII)
_BECOMES: Final = {
    "published": "approved: published",
    "pending": "pending: pending",
    "spam": "spam: spam, never shown",
    "removed": "deleted: removed, without text and author",
}


def import_disqus(
    db: Database,
    paths: Sequence[Path] | Path,
    site: Site,
    *,
    dry_run: bool = False,
    lenient: bool = False,
    start_pass: StartPass = lambda _: None,
) -> Report:
    """Import the files of a Disqus export; importing them again applies only their changes.

    Raise BrokenFile or UnsupportedFile before anything is written. Each batch is written in one transaction.
    """
    files = [paths] if isinstance(paths, Path) else paths
    with open_exports(files, "disqus", lenient=lenient) as exports:
        report = _load(db, Survey(exports.files, start_pass("Looking")), site, dry_run)
        report.notes += exports.notes
        return report


def _load(db: Database, survey: Survey, site: Site, dry_run: bool) -> Report:
    try:
        ledger = Ledger(f"disqus:{survey.forum().lower()}")
        report = Report(ledger.source, dry_run=dry_run)
        try:
            with db.connect() as connection:
                for thread in survey.threads():
                    if article_id := find_article(connection, thread, site):
                        survey.set_article(thread.id, article_id)
            CommentImport(db, ledger, report).run(_groups(db, survey, report))
            _report_unmatched(survey, report)
        except BaseException:
            report.close()
            raise
        return report
    finally:
        survey.close()


def state_of(post: Post) -> State:
    """Map the state of a post: only approved ones are public."""
    if post.is_deleted:
        return "removed"
    if post.is_spam:
        return "spam"
    return "published" if post.is_approved else "pending"


def _groups(db: Database, survey: Survey, report: Report) -> Iterator[CommentGroup]:
    for article_id, title, posts in survey.articles():
        for post in posts:
            report.comments[f"comment, {_BECOMES[state_of(post)]}"] += 1
        with db.connect() as connection:
            at = connection.execute(_DATE, {"this": article_id}).scalar_one_or_none()
        yield CommentGroup(article_id, title, at, [_convert(post) for post in posts], {})


def _convert(post: Post) -> SourceComment:
    state, notes = state_of(post), list[str]()
    if state == "removed":
        return SourceComment(post.id, post.parent, state, ANONYMOUS, "", "", post.created_at, disqus_id=post.id)
    message = _REDIRECT.sub(_unwrap, post.message)
    html = replace_pictures(message if _MARKUP.search(message) else add_paragraphs(message), notes)
    name = clean_name(post.name, notes)
    return SourceComment(
        post.id,
        post.parent,
        state,
        name,
        clean_email(post.email),
        html,
        post.created_at,
        notes=tuple(notes),
        disqus_id=post.id,
    )


def _unwrap(match: re.Match[str]) -> str:
    """Return the target of a link that Disqus redirects through its own domain."""
    values = parse_qs(urlsplit(unescape(match.group())).query).get("url", [""])
    url = _SIGNATURE.sub("", values[0])
    return escape(url) if is_http_url(url) else match.group()


def _report_unmatched(survey: Survey, report: Report) -> None:
    """Report each post without an article; deleted and spam ones are only counted."""
    for post, title, link in survey.unmatched():
        if state_of(post) in {"removed", "spam"}:
            report.add("comments", post.id, title, "skipped")
            report.left_out["deleted and spam comments of threads without an article"] += 1
        elif link is None:
            report.add("comments", post.id, title, "failed", [f"its thread {post.thread[:20]} is not in the file"])
        else:
            report.add(
                "comments", post.id, title, "failed", [f"no article has the address {link[:200] or 'of its thread'}"]
            )
        if state_of(post) not in {"removed", "spam"}:
            report.comments["comment without an article: not imported"] += 1
