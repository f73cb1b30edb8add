"""`broadsheet migrate`, `backup`, `restore` and `compact`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli import archives
from app.cli.common import Failure, say
from app.core.settings import Settings


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if a migration is pending.")] = False,
) -> None:
    """Migrate the database to the tables of this release."""
    from app.db import migrations

    url = Settings().direct_database
    if check:
        status = migrations.read_status(url)
        typer.echo(f"{status.revision or 'empty'} ({status.standing}; this release needs {status.head})")
        if status.standing != "current":
            raise typer.Exit(1)
        return
    before = migrations.upgrade(url)
    if before.standing == "current":
        typer.echo(f"{before.revision} (nothing to do)")
    else:
        typer.echo(f"{before.revision or 'empty'} -> {before.head}")


def backup(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to create; its parent must exist.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing backup.")] = False,
) -> None:
    """Copy the database, and media files kept in a folder, into DIR while the server runs.

    SQLite: DIR/broadsheet.db, checked. PostgreSQL: DIR/broadsheet.dump, made by pg_dump. Media: DIR/media.
    """
    settings = Settings()
    summary = archives.backup(settings.direct_database, settings.media, path.absolute(), force=force)
    if summary.media is None:
        say("The media are in a remote store: back them up there.")
    elif summary.vanished:
        say(f"{summary.vanished} media files were deleted while the backup ran.")
    say(f"Copied the database ({summary.size:,} bytes) and {summary.media or 0} media files.")
    typer.echo(str(path))


def restore(
    path: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `broadsheet backup` made.")],
    yes: Annotated[bool, typer.Option("--yes", help="Replace the current store without asking.")] = False,
) -> None:
    """Restore a backup, with its media. Stop the server and the worker first.

    The backup has to be of the same kind of database. Media files that are not in the backup are kept.
    """
    settings = Settings()
    url = settings.direct_database
    archive, name = archives.check_backup(url, path), archives.name_database(url)
    if archives.has_data(url) and not yes:
        if not sys.stdin.isatty():
            raise Failure(f"{name} would be replaced; confirm with --yes.")
        typer.confirm(f"Replace {name}?", abort=True, err=True)
    media = archives.restore(archive, url, settings.media)
    if media is None:
        say("The media are in a remote store: restore them there.")
    say(f"Restored the database and {media or 0} media files.")


def compact() -> None:
    """Rewrite a SQLite store without the unused parts of its file. Stop the server and the worker first.

    Parts that are free since this release are overwritten. Earlier releases left in them what was deleted.
    """
    before, after = archives.compact(Settings().direct_database)
    say(f"Rewrote the database: {before:,} bytes before, {after:,} bytes now.")
