"""`broadsheet import`: import an export of another system."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from app.cli.common import Failure, open_store, say, show
from app.core.settings import Settings
from app.db import Database
from app.importers.report import OUTCOMES, Report

app = typer.Typer(help="Import from other systems.", no_args_is_help=True)
Exports = Annotated[
    list[Path],
    typer.Argument(
        exists=True, dir_okay=False, readable=True, help="The files of one export, XML, also as .gz or .zip."
    ),
]
Lenient = Annotated[bool, typer.Option("--lenient", help="Repair or remove characters that XML does not allow.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; only report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
FetchMedia = Annotated[
    bool, typer.Option("--fetch-media", help="Copy pictures into the media store; repeat the import for missing ones.")
]
StartPass = Callable[[str], Callable[[int], None] | None]
"""Callback that gets the name of a pass over the files and returns its progress callback."""


@app.callback()
def main() -> None:
    """Import from other systems."""


@app.command()
def wordpress(
    files: Exports,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    lenient: Lenient = False,
    fetch_media: FetchMedia = False,
) -> None:
    """Import posts, pages, categories, tags, authors, pictures and comments from WordPress.

    Repeat the import to apply changes. Posts that were not public become drafts. The exit status is 1 if a file is
    broken, which leaves the store unchanged, or if something could not be imported; everything else is imported.
    """
    from app.core.network_addresses import Guard
    from app.importers.fetching import Fetcher
    from app.importers.wordpress.loader import import_wordpress
    from app.publication.storage import open_storage

    settings, fetcher = Settings(), None
    if fetch_media:
        fetcher = Fetcher(open_storage(settings.media), Guard(settings.outgoing_allow), settings.max_media_size)
    _run(
        files,
        as_json,
        lambda db, start_pass: import_wordpress(
            db, *files, dry_run=dry_run, lenient=lenient, fetcher=fetcher, start_pass=start_pass
        ),
    )


@app.command()
def disqus(files: Exports, dry_run: DryRun = False, as_json: AsJson = False, lenient: Lenient = False) -> None:
    """Import the comments of a Disqus export to the articles of its threads; repeat the import for new comments.

    The article of a thread is found by its URL, including former ones, or by its identifier. The exit status is 1 if a
    file is broken, which leaves the store unchanged, or if comments have no article; the others are imported.
    """
    from app.importers.disqus.loader import import_disqus
    from app.publication.site import Site

    site = Site.from_settings(Settings())
    _run(
        files,
        as_json,
        lambda db, start_pass: import_disqus(db, files, site, dry_run=dry_run, lenient=lenient, start_pass=start_pass),
    )


def _run(files: Sequence[Path], as_json: bool, load: Callable[[Database, StartPass], Report]) -> None:
    """Run an import and print its report."""
    from app.importers.sources import UnsupportedFile
    from app.importers.streams import BrokenFile

    is_packed = any(file.suffix.lower() in {".gz", ".zip"} for file in files)
    size = None if is_packed else sum(file.stat().st_size for file in files)
    with open_store(Settings()) as db, _show_progress(size) as start_pass:
        try:
            report = load(db, start_pass)
        except (BrokenFile, UnsupportedFile) as error:
            raise Failure(f"{error.file} cannot be read, and nothing was imported: {error}") from error
    (_print_json if as_json else _print)(report)
    failures, dry_run = report.failures, report.dry_run
    report.close()
    if failures:
        say(f"{failures} could not be imported; everything else was." if not dry_run else f"{failures} would fail.")
        raise typer.Exit(1)


@contextmanager
def _show_progress(size: int | None) -> Iterator[StartPass]:
    """Show the bytes read by each pass over the files on stderr if it is a terminal."""
    columns = (TextColumn("{task.description:<10}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:

        def start_pass(name: str) -> Callable[[int], None]:
            task = progress.add_task(name, total=size)
            return lambda done: progress.update(task, completed=done)

        yield start_pass


def _print_json(report: Report) -> None:
    """Print the report as a JSON object; lines are printed one by one, as there may be many."""
    head = json.dumps(report.summary(), ensure_ascii=False, indent=1)
    typer.echo(f'{head.removesuffix("}").rstrip()},\n "items": [', nl=False)
    for number, line in enumerate(report.lines()):
        typer.echo(f"{',' if number else ''}\n  {json.dumps(line._asdict(), ensure_ascii=False)}", nl=False)
    typer.echo("\n ]\n}")


def _print(report: Report) -> None:
    """Print the lines first, as there may be many, and the numbers last, where a terminal still shows them."""
    for line in report.lines():
        typer.echo(f"{line.kind:<12} {line.id:<9} {line.title:<60}  {line.outcome:<8} {'; '.join(line.reasons)}")
    numbers = Table("kind", box=None, padding=(0, 1, 0, 0))
    numbers.columns[0].no_wrap = True
    for name in OUTCOMES:
        numbers.add_column(name, justify="right", no_wrap=True)
    for kind, counts in report.kinds.items():
        numbers.add_row(Text(kind), *(str(counts[name]) for name in OUTCOMES))
    typer.echo()
    show(numbers)
    if report.notes:
        typer.echo("\n".join(["", "Notes:", *(f"  {note}" for note in report.notes)]))
    tables = {"Comments in the file": report.comments, "Kept as data": report.kept, "Left out": report.left_out}
    for title, counts in tables.items():
        rows = [f"  {number:>7,}  {label}" for label, number in sorted(counts.items()) if number]
        if rows:
            typer.echo("\n".join(["", f"{title}:", *rows]))
    if report.dry_run:
        typer.echo("\nThis was a dry run: nothing was changed.")
