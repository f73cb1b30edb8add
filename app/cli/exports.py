"""`broadsheet export`: export the whole publication."""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.common import Failure, open_store, say
from app.core.settings import Settings
from app.db import Database

Step = Callable[[int], None]  # advances the progress by a number of articles or comments


class ExportFormat(StrEnum):
    """The format of an export."""

    ndjson = "ndjson"
    wxr = "wxr"
    markdown = "markdown"


def export(
    target: Annotated[
        Path | None, typer.Argument(help="A new file, or for Markdown a new folder; standard output if absent.")
    ] = None,
    form: Annotated[
        ExportFormat,
        typer.Option("--format", help="ndjson: everything; wxr: for WordPress and others; markdown: a folder."),
    ] = ExportFormat.ndjson,
    media_url: Annotated[str, typer.Option(help="URL of this server, for links to pictures; SITE_URL if absent.")] = "",
) -> None:
    """Export the whole publication: articles in every state, sections, tags, authors, series, and the discussion.

    Drafts, hidden comments and readers' e-mail addresses are included, keys and tokens are not: keep the export as safe
    as the store. Pictures are included as URLs; `backup` copies their files.
    """
    settings = Settings()
    if target is not None and target.exists():
        raise Failure(f"{target} exists already.")
    if target is None and form is ExportFormat.markdown:
        raise Failure("An export to Markdown needs a target folder.")
    with open_store(settings) as db, _show_progress(db) as step:
        if target is None:
            count = _write(db, settings, form, media_url, sys.stdout.buffer, step)
        elif form is ExportFormat.markdown:
            count = _write_folder(db, settings, target, step)
        else:
            with _created_atomically(target) as draft, draft.open("wb") as file:
                count = _write(db, settings, form, media_url, file, step)
                file.flush()
                os.fsync(file.fileno())
    say(f"Wrote {count:,} {'lines' if form is ExportFormat.ndjson else 'articles'}.")


def _write(db: Database, settings: Settings, form: ExportFormat, media_url: str, file: BinaryIO, step: Step) -> int:
    from app.export import ndjson, wxr
    from app.publication.site import Site

    site = Site.from_settings(settings)
    with db.snapshot() as connection:
        if form is ExportFormat.wxr:
            media = media_url.rstrip("/") or settings.site_url
            return wxr.write_wxr(connection, site, settings.site_name, media, ZoneInfo(settings.time_zone), file, step)
        return ndjson.write_ndjson(connection, site, settings.site_name, file.write, step)


def _write_folder(db: Database, settings: Settings, target: Path, step: Step) -> int:
    from app.export import markdown
    from app.publication.site import Site

    with _created_atomically(target) as draft, db.snapshot() as connection:
        draft.mkdir(mode=0o700)
        return markdown.write_markdown(connection, Site.from_settings(settings), draft, step)


@contextmanager
def _created_atomically(target: Path) -> Iterator[Path]:
    """Create a file or folder under a temporary name, and rename it when it is complete."""
    if not target.absolute().parent.is_dir():
        raise Failure(f"There is no folder {target.absolute().parent}.")
    draft = target.absolute().parent / f".{target.name}.{secrets.token_hex(8)}"
    try:
        yield draft
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True) if draft.is_dir() else draft.unlink(missing_ok=True)


@contextmanager
def _show_progress(db: Database) -> Iterator[Step]:
    """Show the progress of articles and comments on stderr if it is a terminal."""
    from app.export.everything import count_content

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        if progress.disable:
            yield lambda _done: None
            return
        with db.connect() as connection:
            task = progress.add_task("Articles and comments", total=sum(count_content(connection)))
        yield lambda done: progress.advance(task, done)
