"""`broadsheet doctor` and `broadsheet openapi`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from app.cli.common import explain, say, show
from app.core.settings import Settings

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
) -> None:
    """Check settings, disk, clock, media, mail, database, migrations and worker; status 1 if anything failed."""
    from app.cli.checks import Finding, run_checks

    try:
        findings = run_checks(Settings())
    except ValidationError as error:
        findings = [Finding("settings", "failed", explain(error) or str(error))]
    ok = all(finding.status != "failed" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": ok, "checks": [asdict(finding) for finding in findings]}, indent=2))
    else:
        table = Table("check", "status", "finding", box=None)
        for finding in findings:
            table.add_row(finding.name, Text(finding.status, _STYLES[finding.status]), Text(finding.detail))
        show(table)
    if not ok:
        raise typer.Exit(1)


def openapi(
    check: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with a file instead of printing.")] = None,
) -> None:
    """Print the OpenAPI 3.1 document of this API; a release always prints the same bytes."""
    from app.main import create_app

    document = create_app(Settings(), with_worker=False).openapi()
    text = f"{json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)}\n".encode()
    if check is None:
        typer.echo(text, nl=False)
    elif not check.is_file() or check.read_bytes() != text:
        say(f"{check} is outdated; run: broadsheet openapi > {check}")
        raise typer.Exit(1)
