"""`python -m bench.strangers`: the latency of reads, alone and while an anonymous client sends the worst texts."""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.__main__ import DATABASES, create_stores
from bench.cases import CASES, read_facts
from bench.load import drive
from bench.seed import seed_store
from bench.servers import app

ROUNDS, GOAL = 5, 2.0
DEAREST = ("1. a *b*\n" * 499, "http://a.b " * 900, "*a* _b_ `c` " * 300)  # `python -m bench.worst_text`
LIMITS = "read=10000000/minute"  # for the reading client; writes have their usual limits
PACE = 0.05  # seconds between two requests of the writing client


def _batch(article: str, number: int) -> bytes:
    """Return fifty operations of an offline client, half of them on a missing article."""
    ids = (f"01990000-0000-7000-8000-{number:06x}{n:06x}" for n in range(50))
    operations = [
        {
            "op": "post",
            "article": article if n % 2 else one,
            "id": one,
            "comment": {"text": f"{DEAREST[n % 3]}{n}"[-9999:]},
        }
        for n, one in enumerate(ids)
    ]
    for operation in operations:
        operation["comment"]["author"] = {"name": "Ann"}  # type: ignore[index]
    return json.dumps({"operations": operations}).encode()


def _wire(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    return f"{head}Connection: close\r\n\r\n".encode() + body


def _make_requests(article: str, number: int, seconds: float) -> list[bytes]:
    """Return the requests of the writing client in half a round: batches, comments and dry runs, all different."""
    comments = f"/v1/articles/{article}/comments"
    sent: list[bytes] = []
    for turn in range(number, number + int(seconds / PACE)):
        if turn % 3:
            comment = {"text": f"{DEAREST[turn % 3]}{turn}"[-9999:], "author": {"name": "Ann"}}
            sent.append(_wire(f"{comments}?dry_run=true" if turn % 3 == 1 else comments, json.dumps(comment).encode()))
        else:
            sent.append(_wire("/v1/sync/comments", _batch(article, turn)))
    return sent


async def _send(port: int, requests: list[bytes]) -> None:
    """Send requests one after the other, ignoring the responses."""
    for request in requests:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        await asyncio.sleep(PACE)


@contextmanager
def _stranger(port: int, requests: list[bytes]) -> Iterator[None]:
    """Run the writing client in a process of its own, so that it does not block the measuring event loop."""
    process = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(_send(port, requests)))
    process.start()
    try:
        yield
    finally:
        process.join()


def main() -> int:
    """Run the benchmark; print the latencies of reads, and how much the writing client adds."""
    parser = argparse.ArgumentParser(prog="python -m bench.strangers", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--cache-size", type=int, default=32, help="megabytes of kept answers (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each half of a round (default %(default)s)")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table = Table("database", "what", "p50 ms", "p95 ms", "p99 ms")
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
            create_stores(dialect, Path(folder), [options.articles]) as ([url], _),
        ):
            store = seed_store(url, options.articles)
            facts = read_facts(store)
            case = next(case for case in CASES if case.name == "article")
            asked = case.requests(facts)
            reads = itertools.cycle([request.wire() for request in asked])
            article, alone, beside, sent = asked[0].path.split("/")[3].partition("?")[0], [], [], 0
            with app(store.url, Path(folder), LIMITS, cache_size=options.cache_size) as process:
                for number in range(ROUNDS + 1):
                    seconds = options.seconds if number else 4.0  # the first round starts the app's other process
                    requests = _make_requests(article, sent, seconds)
                    found = drive(process.port, reads, status=200, connections=1, seconds=seconds)
                    with _stranger(process.port, requests):
                        disturbed = drive(process.port, reads, status=200, connections=1, seconds=seconds)
                    sent += len(requests)
                    if number:
                        alone.append(found)
                        beside.append(disturbed)
        for name, slices in (("alone", alone), (f"beside {sent} requests of a stranger", beside)):
            cuts = [statistics.median(getattr(found, cut) for found in slices) for cut in ("p50", "p95", "p99")]
            table.add_row(dialect, name, *(f"{cut * 1000:.2f}" for cut in cuts))
        ratio = statistics.median(two.p99 / one.p99 for one, two in zip(alone, beside, strict=True))
        table.add_row(dialect, "p99 beside / alone", "", "", f"× {ratio:.2f} (goal ≤ × {GOAL})")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
