"""The `broadsheet` command."""

import os
import sys

import typer

from app.cli import database, deliveries, demo, doctor, exports, imports, keys, related, search, serve
from app.cli.common import explain, say

app = typer.Typer(
    name="broadsheet",
    help="A headless content API for publications. Settings are environment variables, BROADSHEET_…",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("migrate")(database.migrate)
app.add_typer(keys.app, name="keys")
app.add_typer(imports.app, name="import")
app.command("export")(exports.export)
app.add_typer(related.app, name="related")
app.add_typer(search.app, name="search")
app.command("backup")(database.backup)
app.command("restore")(database.restore)
app.add_typer(deliveries.app, name="deliveries")
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("openapi")(doctor.openapi)


def main() -> None:
    """Run a command; errors that an operator can fix are printed on one line, with status 1.

    Files are readable only for the user: stores, mails, media, exports and backups contain personal data and secrets.
    """
    os.umask(0o077)
    try:
        app()
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        say(f"Error: {message}")
        sys.exit(1)
