"""`python -m bench.beside`: how long reads of articles take alone, and beside a stream of searches."""

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import uvloop
from rich.console import Console
from rich.table import Table

from bench.__main__ import DATABASES, urls
from bench.cases import CASES, look
from bench.load import Slice, driven
from bench.seed import Store, seed
from bench.servers import app

READS, SEARCHES = "article", "search two words"
ROUNDS, GOAL = 15, 2.0


class Round(NamedTuple):
    """Reads alone, the same beside searches, and these."""

    alone: Slice
    beside: Slice
    searches: Slice


async def _both(
    port: int, reads: Iterator[bytes], searches: Iterator[bytes], seconds: float, pace: float = 0.0
) -> tuple[Slice, Slice]:
    """One connection that reads as soon as it has its answer, and one that searches so, or at a steady pace."""
    return await asyncio.gather(driven(port, reads, 200, 1, seconds), driven(port, searches, 200, 1, seconds, pace))


def measure(store: Store, folder: Path, seconds: float, pace: float = 0.0) -> list[Round]:
    """Rounds of both, in turn."""
    facts, rounds = look(store), []
    asked = {case.name: case.requests(facts) for case in CASES if case.name in {READS, SEARCHES}}
    reads, searches = (itertools.cycle([request.wire() for request in asked[name]]) for name in (READS, SEARCHES))
    with app(store.url, folder) as process:
        uvloop.run(_both(process.port, reads, searches, 1.0))
        for _ in range(ROUNDS):
            alone = uvloop.run(driven(process.port, reads, 200, 1, seconds))
            rounds.append(Round(alone, *uvloop.run(_both(process.port, reads, searches, seconds, pace))))
    return rounds


def main() -> int:
    """Print the latencies, and how much searches add."""
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each half of a round (default %(default)s)")
    parser.add_argument("--rate", type=float, default=0.0, help="searches a second (default: without pause)")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table = Table("database", "what", "p50 ms", "p95 ms", "p99 ms")
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
            urls(dialect, Path(folder), [options.articles]) as ([url], _),
        ):
            pace = 1 / options.rate if options.rate else 0.0
            rounds = measure(seed(url, options.articles), Path(folder), options.seconds, pace)
        show(table, dialect, rounds)
    console.print(table)
    return 0


def show(table: Table, dialect: str, rounds: list[Round]) -> None:
    """Medians over the rounds."""
    for name in Round._fields:
        cuts = [
            statistics.median(getattr(getattr(found, name), cut) for found in rounds) for cut in ("p50", "p95", "p99")
        ]
        table.add_row(dialect, name, *(f"{cut * 1000:.2f}" for cut in cuts))
    ratio = statistics.median(found.beside.p99 / found.alone.p99 for found in rounds)
    table.add_row(dialect, "p99 beside / alone", "", "", f"× {ratio:.2f} (goal ≤ × {GOAL})")


if __name__ == "__main__":
    sys.exit(main())
