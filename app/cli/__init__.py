"""The `broadsheet` command. What a command needs is imported when it runs: `--help` needs none of it."""

import os
import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer._click import Context
from typer.core import TyperCommand, TyperGroup

from app.core.memory import pause_collector

COMMANDS: Final = {
    "serve": ("serve.serve", "Serve the API until SIGTERM or Ctrl-C, then finish open requests and exit."),
    "worker": ("serve.worker", "Do the background work in a process of its own, until SIGTERM or Ctrl-C."),
    "migrate": ("database.migrate", "Migrate the database to the tables of this release."),
    "export": (
        "exports.export",
        "Export the whole publication: articles in every state, sections, tags, authors, series, and the discussion.",
    ),
    "backup": (
        "database.backup",
        "Copy the database, and media files kept in a folder, into DIR while the server runs.",
    ),
    "restore": ("database.restore", "Restore a backup, with its media. Stop the server and the worker first."),
    "compact": (
        "database.compact",
        "Rewrite a SQLite store without the unused parts of its file. Stop the server and the worker first.",
    ),
    "doctor": (
        "doctor.doctor",
        "Check settings, disk, clock, media, mail, database, migrations and worker; status 1 if anything failed.",
    ),
    "demo": ("demo.demo", "Load a sample publication into an empty store, print commands to try, and serve it."),
    "openapi": (
        "doctor.openapi",
        "Print the OpenAPI 3.1 document of this API; a release always prints the same bytes.",
    ),
    "keys": ("keys.app", "Create, list, change and revoke API keys."),
    "people": ("people.app", "Invite, list and suspend the people who sign in."),
    "import": ("imports.app", "Import from other systems."),
    "related": ("related.app", "Maintain the automatic links between articles."),
    "search": ("search.app", "Maintain the search index."),
    "deliveries": ("deliveries.app", "List pending, failing and dead deliveries, and retry dead ones."),
}
"""By name: the module and the function or group of each command, and the first line of its help."""


def _create_group() -> typer.Typer:
    return typer.Typer(name="broadsheet", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def load_command(name: str) -> TyperCommand | TyperGroup:
    """Import a command."""
    module, _, attribute = COMMANDS[name][0].partition(".")
    with pause_collector():
        target, group = getattr(import_module(f"{__name__}.{module}"), attribute), _create_group()
    if isinstance(target, typer.Typer):
        group.add_typer(target, name=name)
    else:
        group.command(name)(target)
    command = typer.main.get_group(group).commands[name]
    assert isinstance(command, TyperCommand | TyperGroup)
    return command


class _Commands(TyperGroup):
    """The commands: names with the first lines of their help, until one is called."""

    def __init__(self, **options: Any) -> None:
        listed = {name: TyperCommand(name, help=summary) for name, (_, summary) in COMMANDS.items()}
        super().__init__(**(options | {"commands": listed}))

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, TyperCommand | TyperGroup | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(command.name) if command and command.name else None, rest


app = _create_group()


@app.callback(cls=_Commands, no_args_is_help=True)
def broadsheet() -> None:
    """A headless content API for publications. Settings are environment variables, BROADSHEET_…"""


def main() -> None:
    """Run a command; errors that an operator can fix are printed on one line, with status 1.

    Files are readable only for the user: stores, mails, media, exports and backups contain personal data and secrets.
    """
    os.umask(0o077)
    try:
        app()
    except Exception as error:
        from app.cli.common import explain, say

        message = explain(error)
        if message is None:
            raise
        say(f"Error: {message}")
        sys.exit(1)
