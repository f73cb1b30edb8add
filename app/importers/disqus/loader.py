"""`broadsheet import disqus`: the comments of an export under the articles that are here already."""

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import sqlalchemy as sa

from app.articles.site import Site
from app.db import Database
from app.importers.discussion.arrivals import Arrivals
from app.importers.discussion.remarks import (
    ANONYMOUS,
    Group,
    Remark,
    State,
    address,
    shown_name,
    with_links_for_pictures,
)
from app.importers.disqus.matching import A, article_of
from app.importers.disqus.reader import Post
from app.importers.disqus.survey import Survey
from app.importers.ledger import Ledger
from app.importers.report import Report
from app.importers.sources import opened_exports
from app.importers.streams import Progress
from app.importers.wordpress.paragraphs import paragraphs
from app.text.inputs import is_http_url

Passing = Callable[[str], Progress | None]
"""Is told the name of a pass over the file, and gives what hears of its bytes."""

_DATE = sa.select(A.c.listed_at).where(A.c.id == sa.bindparam("this", type_=A.c.id.type))
_MARKUP = re.compile(r"<(?:p|br|div|ul|ol|blockquote|pre)\b", re.IGNORECASE)
_REDIRECT = re.compile(r"https?://(?:www\.)?disq\.us/(?:url)?\?[^\s\"'<>]*", re.IGNORECASE)
_SIGNATURE = re.compile(r":[\w-]{20,44}$", re.ASCII)
_BECOMES: Final = {
    "published": "approved: shown",
    "pending": "waiting: waiting here too",
    "spam": "spam: spam here too, never shown",
    "removed": "deleted: removed here too, without text and author",
}


def load(
    db: Database,
    paths: Sequence[Path] | Path,
    site: Site,
    *,
    dry_run: bool = False,
    lenient: bool = False,
    passing: Passing = lambda _: None,
) -> Report:
    """Import the files of an export of Disqus; importing them again changes only what has changed in them.

    Raises BrokenFile or UnsupportedFile before anything is written. After that each batch is written whole or not at
    all.
    """
    files = [paths] if isinstance(paths, Path) else paths
    with opened_exports(files, "disqus", lenient=lenient) as exports:
        report = _load(db, Survey(exports.files, passing("Looking")), site, dry_run)
        report.notes += exports.notes
        return report


def _load(db: Database, survey: Survey, site: Site, dry_run: bool) -> Report:
    try:
        ledger = Ledger(f"disqus:{survey.forum().lower()}")
        report = Report(ledger.source, dry_run=dry_run)
        try:
            with db.connect() as connection:
                for thread in survey.threads():
                    if article_id := article_of(connection, thread, site):
                        survey.belongs(thread.id, article_id)
            Arrivals(db, ledger, report).run(_groups(db, survey, report))
            _tell_lost(survey, report)
        except BaseException:
            report.close()
            raise
        return report
    finally:
        survey.close()


def state_of(post: Post) -> State:
    """Its state here: what was deleted, spam or not approved there is not public here."""
    if post.is_deleted:
        return "removed"
    if post.is_spam:
        return "spam"
    return "published" if post.is_approved else "pending"


def _groups(db: Database, survey: Survey, report: Report) -> Iterator[Group]:
    for article_id, title, posts in survey.articles():
        for post in posts:
            report.comments[f"comment, {_BECOMES[state_of(post)]}"] += 1
        with db.connect() as connection:
            at = connection.execute(_DATE, {"this": article_id}).scalar_one_or_none()
        yield Group(article_id, title, at, [_remark(post) for post in posts], {})


def _remark(post: Post) -> Remark:
    state, notes = state_of(post), list[str]()
    if state == "removed":
        return Remark(post.id, post.parent, state, ANONYMOUS, "", "", post.created_at, disqus_id=post.id)
    message = _REDIRECT.sub(_unwrap, post.message)
    html = with_links_for_pictures(message if _MARKUP.search(message) else paragraphs(message), notes)
    name = shown_name(post.name, notes)
    return Remark(
        post.id,
        post.parent,
        state,
        name,
        address(post.email),
        html,
        post.created_at,
        notes=tuple(notes),
        disqus_id=post.id,
    )


def _unwrap(match: re.Match[str]) -> str:
    """Give the address behind a link that Disqus sends through a counter of its own."""
    values = parse_qs(urlsplit(unescape(match.group())).query).get("url", [""])
    url = _SIGNATURE.sub("", values[0])
    return escape(url) if is_http_url(url) else match.group()


def _tell_lost(survey: Survey, report: Report) -> None:
    """Each post without an article gets its line, unless nobody would miss it."""
    for post, title, link in survey.lost():
        if state_of(post) in {"removed", "spam"}:
            report.add("comments", post.id, title, "skipped")
            report.left_out["deleted and spam comments whose thread has no article here"] += 1
        elif link is None:
            report.add("comments", post.id, title, "failed", [f"its thread {post.thread[:20]} is not in the file"])
        else:
            report.add("comments", post.id, title, "failed", [f"no article stands at {link[:200] or 'its address'}"])
        if state_of(post) not in {"removed", "spam"}:
            report.comments["comment without an article here: not imported"] += 1
