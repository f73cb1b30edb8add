"""`broadsheet import wordpress`: a whole export into the store, in four passes over the file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from app.importers.discussion.arrivals import Arrivals
from app.importers.discussion.remarks import Group
from app.importers.engine import Engine
from app.importers.ledger import Ledger
from app.importers.report import Report
from app.importers.streams import Progress
from app.importers.wordpress.articles import ARTICLE, ArticleEntry
from app.importers.wordpress.comments import outcome_of, remarks_of
from app.importers.wordpress.pictures import PictureEntry
from app.importers.wordpress.plan import plan
from app.importers.wordpress.reader import check, read
from app.importers.wordpress.records import Item, Site, Term
from app.importers.wordpress.survey import ABSENT, ARTICLES, Survey, is_default, is_picture, key_of
from app.importers.wordpress.terms import AuthorEntry, SectionEntry, TagEntry
from app.kit.db import Database

Passing = Callable[[str], Progress | None]
"""Is told the name of a pass over the file, and gives what hears of its bytes."""

_NOT_CONTENT: Final = {
    "nav_menu_item": "menu entries",
    "wp_navigation": "menu entries",
    "wp_block": "reusable blocks (their text stands where it was shown)",
    "revision": "old revisions",
    **dict.fromkeys(
        "custom_css customize_changeset oembed_cache user_request wp_font_face wp_font_family wp_global_styles "
        "wp_template wp_template_part".split(),
        "settings of WordPress itself",
    ),
}
_ROWS: Final = {"post": "posts", "page": "pages", "attachment": "attachments"}
_TAXONOMIES: Final = frozenset({"category", "post_tag"})


def load(db: Database, path: Path, *, dry_run: bool = False, passing: Passing = lambda _: None) -> Report:
    """Import a WXR file; importing it again changes only what has changed in it. A dry run only reads and reports.

    Raises BrokenFile before anything is written. After that each batch of items is written whole or not at all, and
    what was written stays if a later one cannot be.
    """
    check(path, passing("Checking"))
    survey = Survey(path, passing("Looking"))
    try:
        return _Load(db, path, survey, dry_run).run(passing("Importing"), passing("Comments"))
    finally:
        survey.close()


def source_of(site: Site) -> str:
    """What a site is known by: its address without the scheme, which it may have changed."""
    return f"wordpress:{site.base_url.partition('://')[2].rstrip('/').lower()}"


class _Load:
    """One import: terms first, then pictures, then what refers to them, then what readers said about it."""

    def __init__(self, db: Database, path: Path, survey: Survey, dry_run: bool) -> None:
        self.db, self.path, self.survey = db, path, survey
        self.ledger = Ledger(source_of(survey.site))
        self.report = Report(self.ledger.source, dry_run=dry_run)

    def run(self, *progress: Progress | None) -> Report:
        """Import everything; the report is the caller's to close."""
        try:
            self._load(*progress)
        except BaseException:
            self.report.close()
            raise
        return self.report

    def _load(self, progress: Progress | None, later: Progress | None) -> None:
        engine = Engine(self.db, self.ledger, self.report)
        engine.run(self._authors())
        engine.run(self._sections())
        engine.run(TagEntry(self.ledger, tag) for tag in self.survey.tags())
        engine.run(PictureEntry(file) for file in self.survey.pictures())
        engine.run(self._articles(progress))
        arrivals = Arrivals(self.db, self.ledger, self.report)
        arrivals.run(self._discussions(later, {key for kind, key in engine.failed if kind == ArticleEntry.kind}))

    def _authors(self) -> Iterator[AuthorEntry]:
        for author in self.survey.authors():
            entry = AuthorEntry(self.ledger, author)
            if author.wrote:
                yield entry
            else:
                self.report.add(entry.row, entry.label, entry.title, "skipped")
                self.report.left_out["users who wrote no post or page"] += 1

    def _sections(self) -> Iterator[SectionEntry]:
        for category in self.survey.categories():
            if is_default(category):
                self.report.add("categories", category.slug, category.name, "skipped")
                self.report.left_out["the category Uncategorized (what is in no other has no section)"] += 1
            else:
                yield SectionEntry(self.ledger, category)

    def _articles(self, progress: Progress | None) -> Iterator[ArticleEntry]:
        for place, record in enumerate(read(self.path, progress)):
            if isinstance(record, Term) and record.taxonomy not in _TAXONOMIES:
                self.report.left_out[f"terms of the taxonomy {record.taxonomy}"] += 1
            elif isinstance(record, Item):
                self._count(record)
                if record.type not in ARTICLES:
                    self._pass_over(record)
                elif self._is_wanted(place, record):
                    yield ArticleEntry(plan(record, self.survey), self.ledger, self.survey)

    def _discussions(self, progress: Progress | None, failed: set[str]) -> Iterator[Group]:
        """The comments of all that is here, or that would be."""
        for place, item in enumerate(read(self.path, progress)):
            if not isinstance(item, Item) or not item.comments:
                continue
            key = key_of(item)
            is_absent = item.type not in ARTICLES or not self.survey.is_first(place, item) or key in failed
            with self.db.connect() as connection:
                known = None if is_absent else self.ledger.known(connection, ArticleEntry.kind, key)
                article_id = known and self.ledger.local(connection, ArticleEntry.kind, key, ARTICLE)
            is_here = bool(article_id) if known else not is_absent and item.status not in ABSENT
            for comment in item.comments:
                self.report.comments[outcome_of(comment) if is_here else "of what is not here: not imported"] += 1
            if is_here:
                remarks, absent = remarks_of(item, self.survey)
                yield Group(article_id, item.title, item.published_at, remarks, absent)

    def _is_wanted(self, place: int, item: Item) -> bool:
        """Whether it is there to be imported, and not a second one of the same id."""
        key, row, title = key_of(item), _ROWS[item.type], item.title
        if not key:
            self.report.add(row, "", title, "failed", ["it has no id, address or slug to know it by"])
            return False
        if not self.survey.is_first(place, item):
            self.report.add(row, key, title, "failed", ["an item before it has the same id"])
            return False
        with self.db.connect() as connection:
            if item.status not in ABSENT or self.ledger.known(connection, ArticleEntry.kind, key):
                return True
        self._skip(item, "posts and pages in the trash or never saved")
        return False

    def _pass_over(self, item: Item) -> None:
        """Say what becomes of what is no article; pictures have been counted already."""
        if item.type == "attachment":
            if item.status in ABSENT - {"inherit"}:
                self._skip(item, "files in the trash")
            elif not item.post_id:
                self.report.add("attachments", "", item.title, "failed", ["it has no id to know it by"])
            elif not is_picture(item.attachment_url):
                self._skip(item, "files that are no pictures (texts link to them where they are)")
        elif item.type in _NOT_CONTENT:
            self._skip(item, _NOT_CONTENT[item.type])
        elif item.is_public:
            reason = f"posts of the type {item.type} have no place here"
            self.report.add(item.type, key_of(item), item.title, "refused", [reason])
        else:
            self._skip(item, f"posts of the type {item.type} that were not public")

    def _skip(self, item: Item, what: str) -> None:
        self.report.add(_ROWS.get(item.type, item.type), key_of(item), item.title, "skipped")
        self.report.left_out[what] += 1

    def _count(self, item: Item) -> None:
        """Count what goes with an item and is not taken."""
        left_out = self.report.left_out
        if item.type in ARTICLES:
            for label in item.terms:
                if label.domain not in _TAXONOMIES:
                    left_out[f"labels of the taxonomy {label.domain}"] += 1
            left_out["posts and pages with custom fields"] += any(key and key[0] != "_" for key in item.meta)
            left_out["pages below others (their old paths lead to them)"] += bool(item.parent_id)
