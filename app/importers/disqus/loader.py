"""`broadsheet import disqus`: the comments of an export under the articles that are here already."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from app.articles.addresses.schemas import Site
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
from app.importers.disqus.matching import article_of
from app.importers.disqus.reader import Post
from app.importers.disqus.survey import Survey
from app.importers.ledger import Ledger
from app.importers.report import Report
from app.importers.streams import Progress
from app.kit.db import Database

Passing = Callable[[str], Progress | None]
"""Is told the name of a pass over the file, and gives what hears of its bytes."""

_BECOMES: Final = {
    "published": "approved: shown",
    "pending": "waiting: waiting here too",
    "spam": "spam: spam here too, never shown",
    "removed": "deleted: removed here too, without text and author",
}


def load(db: Database, path: Path, site: Site, *, dry_run: bool = False, passing: Passing = lambda _: None) -> Report:
    """Import an export of Disqus; importing it again changes only what has changed in it.

    Raises BrokenFile before anything is written. After that each batch is written whole or not at all.
    """
    survey = Survey(path, passing("Looking"))
    try:
        ledger = Ledger(f"disqus:{survey.forum().lower()}")
        report = Report(ledger.source, dry_run=dry_run)
        try:
            with db.connect() as connection:
                for thread in survey.threads():
                    if article_id := article_of(connection, thread, site):
                        survey.belongs(thread.id, article_id)
            Arrivals(db, ledger, report).run(_groups(survey, report))
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


def _groups(survey: Survey, report: Report) -> Iterator[Group]:
    for article_id, title, posts in survey.articles():
        for post in posts:
            report.comments[f"comment, {_BECOMES[state_of(post)]}"] += 1
        yield Group(article_id, title, None, [_remark(post) for post in posts], {})


def _remark(post: Post) -> Remark:
    state, notes = state_of(post), list[str]()
    if state == "removed":
        return Remark(post.id, post.parent, state, ANONYMOUS, "", "", post.created_at)
    html = with_links_for_pictures(post.message, notes)
    name = shown_name(post.name, notes)
    return Remark(post.id, post.parent, state, name, address(post.email), html, post.created_at, notes=tuple(notes))


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
