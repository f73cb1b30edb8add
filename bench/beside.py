"""`python -m bench.beside`: the latency of reads of articles, alone and during a stream of searches."""

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

from bench.__main__ import DATABASES, create_stores
from bench.cases import CASES, read_facts
from bench.load import Slice, drive_in_loop
from bench.seed import Store, seed_store
from bench.servers import app

READS, SEARCHES = "article", "search two words"
ROUNDS, GOAL = 15, 2.0


class Round(NamedTuple):
    """Latencies of reads alone, of reads during searches, and of these searches."""

    alone: Slice
    beside: Slice
    searches: Slice


async def _both(
    port: int, reads: Iterator[bytes], searches: Iterator[bytes], seconds: float, pace: float = 0.0
) -> tuple[Slice, Slice]:
    """Measure one connection that reads, while another searches without pause or at a rate."""
    return await asyncio.gather(
        drive_in_loop(port, reads, 200, 1, seconds), drive_in_loop(port, searches, 200, 1, seconds, pace)
    )


def measure(store: Store, folder: Path, seconds: float, pace: float = 0.0) -> list[Round]:
    """Alternate rounds with and without searches."""
    facts, rounds = read_facts(store), []
    asked = {case.name: case.requests(facts) for case in CASES if case.name in {READS, SEARCHES}}
    reads, searches = (itertools.cycle([request.wire() for request in asked[name]]) for name in (READS, SEARCHES))
    with app(store.url, folder) as process:
        uvloop.run(_both(process.port, reads, searches, 1.0))
        for _ in range(ROUNDS):
            alone = uvloop.run(drive_in_loop(process.port, reads, 200, 1, seconds))
            rounds.append(Round(alone, *uvloop.run(_both(process.port, reads, searches, seconds, pace))))
    return rounds


def main() -> int:
    """Print the latencies, and how much searches add to them."""
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of half a round (default %(default)s)")
    parser.add_argument("--rate", type=float, default=0.0, help="searches per second (default: without pause)")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table = Table("database", "what", "p50 ms", "p95 ms", "p99 ms")
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
            create_stores(dialect, Path(folder), [options.articles]) as ([url], _),
        ):
            pace = 1 / options.rate if options.rate else 0.0
            rounds = measure(seed_store(url, options.articles), Path(folder), options.seconds, pace)
        add_medians(table, dialect, rounds)
    console.print(table)
    return 0


def add_medians(table: Table, dialect: str, rounds: list[Round]) -> None:
    """Add the medians of the rounds to the table."""
    for name in Round._fields:
        cuts = [
            statistics.median(getattr(getattr(found, name), cut) for found in rounds) for cut in ("p50", "p95", "p99")
        ]
        table.add_row(dialect, name, *(f"{cut * 1000:.2f}" for cut in cuts))
    ratio = statistics.median(found.beside.p99 / found.alone.p99 for found in rounds)
    table.add_row(dialect, "p99 beside / alone", "", "", f"× {ratio:.2f} (goal ≤ × {GOAL})")


if __name__ == "__main__":
    sys.exit(main())
