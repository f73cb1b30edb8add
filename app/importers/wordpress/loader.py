"""`broadsheet import wordpress`: import an export in four passes over its files."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from html import escape
from itertools import islice
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.addresses import add_former_address, find_by_former_address, make_numbered_address
from app.db import Database
from app.importers.discussion.comments import CommentGroup
from app.importers.discussion.importing import CommentImport
from app.importers.engine import BATCH_SIZE, Engine, Entry, write_with_retries
from app.importers.extras import Extras
from app.importers.fetching import Fetcher
from app.importers.ledger import Ledger
from app.importers.report import Report
from app.importers.sources import ExportFile, UnsupportedFile, open_exports
from app.importers.streams import Progress
from app.importers.wordpress.articles import ARTICLE, ArticleEntry
from app.importers.wordpress.comments import convert_comments, describe_outcome
from app.importers.wordpress.custom import build_menu_entry, build_term_entry
from app.importers.wordpress.files import Files
from app.importers.wordpress.pictures import MEDIA, PictureEntry
from app.importers.wordpress.plan import DEFAULT_LANGUAGE, parse_language, plan_article
from app.importers.wordpress.reader import read_all
from app.importers.wordpress.records import Item, Site, Term
from app.importers.wordpress.shortcodes import Attachment
from app.importers.wordpress.survey import ABSENT, ARTICLES, Survey, is_default_category, is_picture, key_of, path_of
from app.importers.wordpress.terms import AuthorEntry, SectionEntry, TagEntry

StartPass = Callable[[str], Progress | None]
"""Callback that gets the name of a pass over the files and returns its progress callback."""

_NOT_CONTENT: Final = {
    "wp_navigation": "menu entries",
    "wp_block": "reusable blocks (imported with the posts that use them)",
    "guest-author": "guest authors (imported as authors if they wrote something)",
    "revision": "old revisions",
    **dict.fromkeys(
        "custom_css customize_changeset oembed_cache user_request wp_font_face wp_font_family wp_global_styles "
        "wp_template wp_template_part".split(),
        "settings of WordPress itself",
    ),
}
_ROWS: Final = {"post": "posts", "page": "pages", "attachment": "attachments"}
_SELECT_PICTURE = sa.select(MEDIA.c.url, MEDIA.c.alt, MEDIA.c.caption).where(
    MEDIA.c.id == sa.bindparam("this", type_=MEDIA.c.id.type)
)
_TAXONOMIES: Final = frozenset({"author", "category", "post_tag"})


def import_wordpress(
    db: Database,
    *paths: Path,
    dry_run: bool = False,
    lenient: bool = False,
    fetcher: Fetcher | None = None,
    start_pass: StartPass = lambda _: None,
) -> Report:
    """Import the files of one export; importing them again applies only changes. A dry run only reports.

    The files may come in any order, and in several calls: references to items of a later file are completed when
    their own file is imported again. Raise BrokenFile or UnsupportedFile before anything is written. Each batch of
    items is written in one transaction; written batches stay if a later one fails. A `fetcher` copies pictures into
    the media store; without it they stay references.
    """
    with open_exports(paths, "wordpress", lenient=lenient) as exports:
        sources = _check_all(exports.files, start_pass("Checking"))
        ledger = Ledger(sources[0])
        report = Report(ledger.source, dry_run=dry_run)
        report.notes += exports.notes
        files = Files(db, ledger, report)
        survey = Survey(exports.files, start_pass("Looking"), EarlierImports(db, ledger, files))
        try:
            importing = _Import(db, exports.files, survey, report, ledger)
            return importing.run(lambda: files.fetch(fetcher, survey.pictures()) if fetcher else None, start_pass)
        finally:
            survey.close()


def _check_all(files: Sequence[ExportFile], progress: Progress | None) -> list[str]:
    """Read all files once, to refuse broken ones before anything is written; return the source of each."""
    sources = [source_of(record) for _, record in read_all(files, progress) if isinstance(record, Site)]
    for file, source in zip(files, sources, strict=True):
        if source != sources[0]:
            raise UnsupportedFile(file.name, "it is the export of another site than the first; import it separately")
    return sources


def source_of(site: Site) -> str:
    """Return the ledger's name of a site: its URL without the scheme, which may have changed."""
    return f"wordpress:{site.base_url.partition('://')[2].rstrip('/').lower()}"


def _add_addresses(addresses: Sequence[tuple[str, str]], session: Session) -> None:
    for article_id, address in addresses:
        add_former_address(session, article_id, address)


class EarlierImports:
    """The results of earlier imports of the same site, from the ledger."""

    def __init__(self, db: Database, ledger: Ledger, files: Files) -> None:
        self._db, self._ledger = db, ledger
        self.rewrite_urls = files.rewrite_urls

    def has(self, kind: str, key: str) -> bool:
        """Tell whether something was imported."""
        with self._db.connect() as connection:
            return self._ledger.find(connection, kind, key) is not None

    def attachment(self, number: int) -> Attachment | None:
        """Return a picture that was imported and still exists, or None."""
        with self._db.connect() as connection:
            media_id = self._ledger.find_local_id(connection, PictureEntry.kind, str(number), MEDIA)
            row = connection.execute(_SELECT_PICTURE, {"this": media_id}).first() if media_id else None
        return Attachment(row.url, row.alt, escape(row.caption, quote=False)) if row and row.url else None


class _Import:
    """One import: authors and terms, then pictures, then articles, then comments."""

    def __init__(
        self, db: Database, files: Sequence[ExportFile], survey: Survey, report: Report, ledger: Ledger
    ) -> None:
        self.db, self.files, self.survey, self.report, self.ledger = db, files, survey, report, ledger
        self._extras = Extras(db, ledger.source, dry_run=report.dry_run)

    def run(self, fetch: Callable[[], None], start_pass: StartPass) -> Report:
        """Import everything; the caller closes the report."""
        try:
            self._import(fetch, start_pass("Importing"), start_pass("Comments"))
        except BaseException:
            self.report.close()
            raise
        return self.report

    def _import(self, fetch: Callable[[], None], progress: Progress | None, later: Progress | None) -> None:
        self._check_language()
        engine = Engine(self.db, self.ledger, self.report)
        engine.run(self._authors())
        engine.run(self._sections())
        engine.run(self._tags())
        engine.run(PictureEntry(file) for file in self.survey.pictures())
        fetch()
        engine.run(self._articles(progress))
        self._extras.finish()
        self._redirect_attachments()
        comment_import = CommentImport(self.db, self.ledger, self.report)
        comment_import.run(self._discussions(later, {key for kind, key in engine.failed if kind == ArticleEntry.kind}))

    def _check_language(self) -> None:
        tag = self.survey.site.language
        if parse_language(tag) is None:
            reason = f"its language, {tag[:40]!r}, is not a language tag" if tag else "it has no language"
            self.report.notes.append(f"{reason}: {DEFAULT_LANGUAGE} is used")

    def _redirect_attachments(self) -> None:
        """Redirect the `?p=` address of each attachment to the article that it was uploaded to."""
        folder, uploads = path_of(self.survey.site.base_url), self.survey.uploads()
        while not self.report.dry_run and (batch := list(islice(uploads, BATCH_SIZE))):
            missing: list[tuple[str, str]] = []
            with self.db.connect() as connection:
                for number, parent in batch:
                    address = make_numbered_address(folder, number)
                    article_id = self.ledger.find_local_id(connection, ArticleEntry.kind, str(parent), ARTICLE)
                    if article_id and find_by_former_address(connection, address) is None:
                        missing.append((article_id, address))
            if missing:
                write_with_retries(self.db, partial(_add_addresses, missing))

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
        """Tell whether it was imported before."""
        with self.db.connect() as connection:
            return self.ledger.find(connection, entry.kind, entry.key) is not None

    def _sections(self) -> Iterator[SectionEntry]:
        for category, is_listed in self.survey.categories():
            entry = SectionEntry(self.ledger, category)
            if is_default_category(category):
                self.report.add("categories", category.slug, category.name, "skipped")
                self.report.left_out["the category Uncategorized (posts in no other category have no section)"] += 1
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
                self._extras.keep("term", f"{record.taxonomy}:{record.slug}", build_term_entry(record))
                self.report.kept[f"terms of the taxonomy {record.taxonomy}"] += 1
            elif isinstance(record, Item):
                if record.type not in ARTICLES:
                    self._report_other(record)
                elif self._is_importable(place, file, record):
                    yield ArticleEntry(plan_article(record, self.survey, self.report), self.ledger, self.survey)

    def _discussions(self, progress: Progress | None, failed: set[str]) -> Iterator[CommentGroup]:
        """Yield the comments of all articles that exist, or would exist after a dry run."""
        for place, (_, item) in enumerate(read_all(self.files, progress)):
            if not isinstance(item, Item) or not item.comments:
                continue
            key = key_of(item)
            is_absent = item.type not in ARTICLES or not self.survey.is_chosen(place, item) or key in failed
            with self.db.connect() as connection:
                known = None if is_absent else self.ledger.find(connection, ArticleEntry.kind, key)
                article_id = known and self.ledger.find_local_id(connection, ArticleEntry.kind, key, ARTICLE)
            exists = bool(article_id) if known else not is_absent and item.status not in ABSENT
            for comment in item.comments:
                self.report.comments[
                    describe_outcome(comment) if exists else "on items without an article: not imported"
                ] += 1
            if exists:
                comments, absent = convert_comments(item, self.survey)
                yield CommentGroup(article_id, item.title, item.published_at, comments, absent)

    def _is_importable(self, place: int, file: int, item: Item) -> bool:
        """Tell whether an item is imported; report it otherwise."""
        key, row, title = key_of(item), _ROWS[item.type], item.title
        if not key:
            self.report.add(row, "", title, "failed", ["it has no id, address or slug"])
            return False
        if self.survey.is_in_another_file(file, item):
            self._skip(item, "posts and pages that another file has too")
            return False
        if not self.survey.is_chosen(place, item):
            self.report.add(row, key, title, "failed", ["an earlier item has the same id"])
            return False
        with self.db.connect() as connection:
            if item.status not in ABSENT or self.ledger.find(connection, ArticleEntry.kind, key):
                return True
        self._skip(item, "posts and pages in the trash or never saved")
        return False

    def _report_other(self, item: Item) -> None:
        """Report an item that is no article; pictures have been reported already."""
        if item.type == "attachment":
            if item.status in ABSENT - {"inherit"}:
                self._skip(item, "files in the trash")
            elif not item.post_id:
                self.report.add("attachments", "", item.title, "failed", ["it has no id"])
            elif not is_picture(item.attachment_url):
                self._skip(item, "files that are no pictures (links to them stay)")
        elif item.type == "nav_menu_item":
            self._extras.keep("menu_entry", key_of(item), build_menu_entry(item))
            self.report.add(item.type, key_of(item), item.title, "skipped")
            self.report.kept["entries of menus"] += 1
        elif item.type in _NOT_CONTENT:
            self._skip(item, _NOT_CONTENT[item.type])
        elif item.is_public:
            reason = f"posts of the type {item.type} are not supported"
            self.report.add(item.type, key_of(item), item.title, "refused", [reason])
        else:
            self._skip(item, f"posts of the type {item.type} that were not public")

    def _skip(self, item: Item, reason: str) -> None:
        self.report.add(_ROWS.get(item.type, item.type), key_of(item), item.title, "skipped")
        self.report.left_out[reason] += 1
