"""`broadsheet import wordpress`: a whole export into the store, in four passes over its files."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from html import escape
from itertools import islice
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.addresses import add_former_address, find_by_former_address
from app.articles.site import make_numbered_address
from app.db import Database
from app.importers.discussion.arrivals import Arrivals
from app.importers.discussion.remarks import Group
from app.importers.engine import BATCH, Engine, Entry, patiently
from app.importers.extras import Extras
from app.importers.fetching import Fetcher
from app.importers.ledger import Ledger
from app.importers.report import Report
from app.importers.sources import ExportFile, UnsupportedFile, opened_exports
from app.importers.streams import Progress
from app.importers.wordpress.articles import ARTICLE, ArticleEntry
from app.importers.wordpress.comments import outcome_of, remarks_of
from app.importers.wordpress.custom import menu_entry, term_entry
from app.importers.wordpress.files import Files
from app.importers.wordpress.pictures import MEDIA, PictureEntry
from app.importers.wordpress.plan import DEFAULT_LANGUAGE, language, plan
from app.importers.wordpress.reader import read_all
from app.importers.wordpress.records import Item, Site, Term
from app.importers.wordpress.shortcodes import Attachment
from app.importers.wordpress.survey import ABSENT, ARTICLES, Survey, is_default, is_picture, key_of, path_of
from app.importers.wordpress.terms import AuthorEntry, SectionEntry, TagEntry

Passing = Callable[[str], Progress | None]
"""Is told the name of a pass over the file, and gives what hears of its bytes."""

_NOT_CONTENT: Final = {
    "wp_navigation": "menu entries",
    "wp_block": "reusable blocks (their text stands where it was shown)",
    "guest-author": "guest authors (those who wrote something are authors)",
    "revision": "old revisions",
    **dict.fromkeys(
        "custom_css customize_changeset oembed_cache user_request wp_font_face wp_font_family wp_global_styles "
        "wp_template wp_template_part".split(),
        "settings of WordPress itself",
    ),
}
_ROWS: Final = {"post": "posts", "page": "pages", "attachment": "attachments"}
_PICTURE = sa.select(MEDIA.c.url, MEDIA.c.alt, MEDIA.c.caption).where(
    MEDIA.c.id == sa.bindparam("this", type_=MEDIA.c.id.type)
)
_TAXONOMIES: Final = frozenset({"author", "category", "post_tag"})


def load(
    db: Database,
    *paths: Path,
    dry_run: bool = False,
    lenient: bool = False,
    fetcher: Fetcher | None = None,
    passing: Passing = lambda _: None,
) -> Report:
    """Import the files of one export; importing them again changes only what has changed. A dry run only reports.

    They may come in any order, and in several calls: what refers to something in a file of a later call is completed
    when its own file is imported again. Raises BrokenFile or UnsupportedFile before anything is written. After that
    each batch of items is written whole or not at all, and what was written stays if a later one cannot be. With a
    `fetcher` pictures are brought in; else they stay where they are.
    """
    with opened_exports(paths, "wordpress", lenient=lenient) as exports:
        sources = _check_all(exports.files, passing("Checking"))
        ledger = Ledger(sources[0])
        report = Report(ledger.source, dry_run=dry_run)
        report.notes += exports.notes
        files = Files(db, ledger, report)
        survey = Survey(exports.files, passing("Looking"), EarlierImports(db, ledger, files))
        try:
            importing = _Load(db, exports.files, survey, report, ledger)
            return importing.run(lambda: files.fetch(fetcher, survey.pictures()) if fetcher else None, passing)
        finally:
            survey.close()


def _check_all(files: Sequence[ExportFile], progress: Progress | None) -> list[str]:
    """Read everything once, so that a broken file is refused before anything is written; gives the source of each."""
    sources = [source_of(record) for _, record in read_all(files, progress) if isinstance(record, Site)]
    for file, source in zip(files, sources, strict=True):
        if source != sources[0]:
            raise UnsupportedFile(file.name, "it is the export of another site than the first; import it by itself")
    return sources


def source_of(site: Site) -> str:
    """What a site is known by: its address without the scheme, which it may have changed."""
    return f"wordpress:{site.base_url.partition('://')[2].rstrip('/').lower()}"


def _remember_all(addresses: Sequence[tuple[str, str]], session: Session) -> None:
    for article_id, address in addresses:
        add_former_address(session, article_id, address)


class EarlierImports:
    """What earlier imports of the same site brought, as the ledger has it."""

    def __init__(self, db: Database, ledger: Ledger, files: Files) -> None:
        self._db, self._ledger = db, ledger
        self.show = files.show

    def has(self, kind: str, key: str) -> bool:
        """Whether it came and is known."""
        with self._db.connect() as connection:
            return self._ledger.known(connection, kind, key) is not None

    def attachment(self, number: int) -> Attachment | None:
        """A picture that came and is still there."""
        with self._db.connect() as connection:
            media_id = self._ledger.local(connection, PictureEntry.kind, str(number), MEDIA)
            row = connection.execute(_PICTURE, {"this": media_id}).first() if media_id else None
        return Attachment(row.url, row.alt, escape(row.caption, quote=False)) if row and row.url else None


class _Load:
    """One import: terms first, then pictures, then what refers to them, then what readers said about it."""

    def __init__(
        self, db: Database, files: Sequence[ExportFile], survey: Survey, report: Report, ledger: Ledger
    ) -> None:
        self.db, self.files, self.survey, self.report, self.ledger = db, files, survey, report, ledger
        self._extras = Extras(db, ledger.source, dry_run=report.dry_run)

    def run(self, fetch: Callable[[], None], passing: Passing) -> Report:
        """Import everything; the report is the caller's to close."""
        try:
            self._load(fetch, passing("Importing"), passing("Comments"))
        except BaseException:
            self.report.close()
            raise
        return self.report

    def _load(self, fetch: Callable[[], None], progress: Progress | None, later: Progress | None) -> None:
        self._check_language()
        engine = Engine(self.db, self.ledger, self.report)
        engine.run(self._authors())
        engine.run(self._sections())
        engine.run(self._tags())
        engine.run(PictureEntry(file) for file in self.survey.pictures())
        fetch()
        engine.run(self._articles(progress))
        self._extras.finish()
        self._lead_attachments_on()
        arrivals = Arrivals(self.db, self.ledger, self.report)
        arrivals.run(self._discussions(later, {key for kind, key in engine.failed if kind == ArticleEntry.kind}))

    def _check_language(self) -> None:
        tag = self.survey.site.language
        if language(tag) is None:
            what = f"its language, {tag[:40]!r}, is not a language tag" if tag else "it does not say its language"
            self.report.notes.append(f"{what}: {DEFAULT_LANGUAGE} is taken")

    def _lead_attachments_on(self) -> None:
        """Let the numbered address of each attachment lead to the article that it was uploaded to."""
        folder, uploads = path_of(self.survey.site.base_url), self.survey.uploads()
        while not self.report.dry_run and (batch := list(islice(uploads, BATCH))):
            missing: list[tuple[str, str]] = []
            with self.db.connect() as connection:
                for number, parent in batch:
                    address = make_numbered_address(folder, number)
                    article_id = self.ledger.local(connection, ArticleEntry.kind, str(parent), ARTICLE)
                    if article_id and find_by_former_address(connection, address) is None:
                        missing.append((article_id, address))
            if missing:
                patiently(self.db, partial(_remember_all, missing))

    def _authors(self) -> Iterator[AuthorEntry]:
        for author in self.survey.authors():
            entry = AuthorEntry(self.ledger, author)
            is_known = self._is_known(entry)
            if is_known and not author.listed:
                self.report.add(entry.row, entry.label, entry.title, "unchanged")
            elif author.wrote or is_known:
                yield entry
            else:
                self.report.add(entry.row, entry.label, entry.title, "skipped")
                self.report.left_out["users who wrote no post or page"] += 1

    def _is_known(self, entry: Entry) -> bool:
        """Whether it came earlier: a file that only names it has nothing new to say of it."""
        with self.db.connect() as connection:
            return self.ledger.known(connection, entry.kind, entry.key) is not None

    def _sections(self) -> Iterator[SectionEntry]:
        for category, is_listed in self.survey.categories():
            entry = SectionEntry(self.ledger, category)
            if is_default(category):
                self.report.add("categories", category.slug, category.name, "skipped")
                self.report.left_out["the category Uncategorized (what is in no other has no section)"] += 1
            elif is_listed or not self._is_known(entry):
                yield entry
            else:
                self.report.add(entry.row, entry.label, entry.title, "unchanged")

    def _tags(self) -> Iterator[TagEntry]:
        for tag, is_listed in self.survey.tags():
            entry = TagEntry(self.ledger, tag)
            if is_listed or not self._is_known(entry):
                yield entry
            else:
                self.report.add(entry.row, entry.label, entry.title, "unchanged")

    def _articles(self, progress: Progress | None) -> Iterator[ArticleEntry]:
        for place, (file, record) in enumerate(read_all(self.files, progress)):
            if isinstance(record, Term) and record.taxonomy not in _TAXONOMIES:
                self._extras.keep("term", f"{record.taxonomy}:{record.slug}", term_entry(record))
                self.report.kept[f"terms of the taxonomy {record.taxonomy}"] += 1
            elif isinstance(record, Item):
                if record.type not in ARTICLES:
                    self._pass_over(record)
                elif self._is_wanted(place, file, record):
                    yield ArticleEntry(plan(record, self.survey, self.report), self.ledger, self.survey)

    def _discussions(self, progress: Progress | None, failed: set[str]) -> Iterator[Group]:
        """The comments of all that is here, or that would be."""
        for place, (_, item) in enumerate(read_all(self.files, progress)):
            if not isinstance(item, Item) or not item.comments:
                continue
            key = key_of(item)
            is_absent = item.type not in ARTICLES or not self.survey.is_chosen(place, item) or key in failed
            with self.db.connect() as connection:
                known = None if is_absent else self.ledger.known(connection, ArticleEntry.kind, key)
                article_id = known and self.ledger.local(connection, ArticleEntry.kind, key, ARTICLE)
            is_here = bool(article_id) if known else not is_absent and item.status not in ABSENT
            for comment in item.comments:
                self.report.comments[outcome_of(comment) if is_here else "of what is not here: not imported"] += 1
            if is_here:
                remarks, absent = remarks_of(item, self.survey)
                yield Group(article_id, item.title, item.published_at, remarks, absent)

    def _is_wanted(self, place: int, file: int, item: Item) -> bool:
        """Whether it is there to be imported, and not a second one of the same id."""
        key, row, title = key_of(item), _ROWS[item.type], item.title
        if not key:
            self.report.add(row, "", title, "failed", ["it has no id, address or slug to know it by"])
            return False
        if self.survey.is_in_another_file(file, item):
            self._skip(item, "posts and pages that another file has as well")
            return False
        if not self.survey.is_chosen(place, item):
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
        elif item.type == "nav_menu_item":
            self._extras.keep("menu_entry", key_of(item), menu_entry(item))
            self.report.add(item.type, key_of(item), item.title, "skipped")
            self.report.kept["entries of menus"] += 1
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
