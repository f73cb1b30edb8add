"""`python -m bench.hits`: the cost of kept answers, compared with a raw ASGI app that sends the same bytes."""

import argparse
import itertools
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.__main__ import DATABASES, create_stores
from bench.cases import Facts, Request, read_facts
from bench.load import Answer, Slice, drive, send_request
from bench.seed import seed_store
from bench.servers import Process, app, floor, read_cpu

CONNECTIONS = (1, 16, 64)
ROUNDS, GOAL = 7, 0.8
LIMITS = "read=100000000/minute"  # counted as usual, but never reached


class Kind(NamedTuple):
    """A kind of request, sent repeatedly."""

    name: str
    request: Request
    status: int = 200


class Turn(NamedTuple):
    """CPU seconds per request of the app and of the floor, measured in turn."""

    app: float
    floor: float
    busy: Slice


def list_kinds(facts: Facts) -> list[Kind]:
    """List the requests that front ends send most."""
    article, comments = f"/v1/articles/{facts.slugs[0]}", f"/v1/articles/{facts.discussed}/comments"
    zstd = (("Accept-Encoding", "zstd"),)
    return [
        Kind("list", Request("GET", "/v1/articles")),
        Kind("article", Request("GET", article)),
        Kind("comments", Request("GET", comments)),
        Kind("feed", Request("GET", "/feeds/site.rss")),
        Kind("list zstd", Request("GET", "/v1/articles", zstd)),
        Kind("article 304", Request("GET", article), 304),
    ]


def _with_etag(process: Process, kind: Kind) -> Kind:
    """Return the kind; one that expects a 304 gets the ETag of the answer."""
    if kind.status != 304:
        return kind
    tag = next(value for name, value in send_request(process.port, kind.request).headers if name.lower() == "etag")
    return kind._replace(request=kind.request._replace(headers=(("If-None-Match", tag),)))


def _keep(process: Process, kind: Kind) -> Answer:
    """Request the answer until it is kept, and return it."""
    for _ in range(3):
        answer = send_request(process.port, kind.request)
    status = dict(answer.headers).get("cache-status")
    if answer.status != kind.status or status != "Broadsheet; hit":
        raise RuntimeError(f"{kind.name}: {answer.status} {status}")
    return answer


def _cost(process: Process, wire: bytes, status: int, connections: int, seconds: float) -> tuple[float, Slice]:
    before = read_cpu(process.pid)
    load = drive(process.port, itertools.repeat(wire), status=status, connections=connections, seconds=seconds)
    return (read_cpu(process.pid) - before) / load.requests, load


def measure(kept: Process, raw: Process, number: int, kind: Kind, connections: int, seconds: float) -> Iterator[Turn]:
    """Measure turns of one kind, the floor before and after the app: a machine that slows down favours neither."""
    wire, same = kind.request.wire(), kind.request.wire(f"/{number}")
    for _ in range(ROUNDS):
        first, _ = _cost(raw, same, kind.status, connections, seconds / 2)
        used, busy = _cost(kept, wire, kind.status, connections, seconds)
        second, _ = _cost(raw, same, kind.status, connections, seconds / 2)
        yield Turn(used, (first + second) / 2, busy)


def main() -> int:
    """Print the cost of hits; return 1 if one costs more than the goal allows."""
    parser = argparse.ArgumentParser(prog="python -m bench.hits", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="sqlite")
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=0.7, help="for each turn (default %(default)s)")
    parser.add_argument("--no-limits", action="store_true", help="count no rates")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table = Table("database", "answer", "bytes", "connections", "µs", "floor µs", "floor / app", "requests/s")
    missed = 0
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
            create_stores(dialect, Path(name), [options.articles]) as ([url], _),
        ):
            folder, kinds = Path(name), list_kinds(read_facts(seed_store(url, options.articles)))
            limits = "off" if options.no_limits else LIMITS
            with app(url, folder, limits, cache_size=32) as kept:
                kinds = [_with_etag(kept, kind) for kind in kinds]
                answers = [_keep(kept, kind) for kind in kinds]
                with floor(answers, folder) as raw:
                    for number, (kind, answer) in enumerate(zip(kinds, answers, strict=True)):
                        for connections in CONNECTIONS:
                            turns = list(measure(kept, raw, number, kind, connections, options.seconds))
                            ratio = statistics.median(turn.floor / turn.app for turn in turns)
                            missed += ratio < GOAL
                            own, least = (statistics.median(turn[at] for turn in turns) * 1e6 for at in (0, 1))
                            rate = statistics.median(turn.busy.requests / turn.busy.seconds for turn in turns)
                            figures = (f"{own:.1f}", f"{least:.1f}", f"{ratio:.2f}", f"{rate:,.0f}")
                            table.add_row(dialect, kind.name, f"{len(answer.body):,}", str(connections), *figures)
    console.print(table)
    console.print(f"goal: ≥ {GOAL} of the floor; missed {missed} times")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
