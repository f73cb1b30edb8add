"""`python -m bench.strangers`: how long reads take alone, and beside a stranger who sends the worst texts."""

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

from bench.__main__ import DATABASES, urls
from bench.cases import CASES, look
from bench.load import drive
from bench.seed import seed
from bench.servers import app

ROUNDS, GOAL = 5, 2.0
DEAREST = ("1. a *b*\n" * 499, "http://a.b " * 900, "*a* _b_ `c` " * 300)  # `python -m bench.worst_text`
LIMITS = "read=10000000/minute"  # of those who only read; all that a stranger writes has its usual limits
PACE = 0.05  # seconds between two requests of the stranger


def _batch(article: str, number: int) -> bytes:
    """Fifty operations of an offline client, half of them on an article that is not there."""
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
    """What the stranger sends in a half of a round: batches, comments and trials in turn, none twice."""
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
    """Send one after the other, whatever is answered."""
    for request in requests:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        await asyncio.sleep(PACE)


@contextmanager
def _stranger(port: int, requests: list[bytes]) -> Iterator[None]:
    """Let a stranger send meanwhile, from a process of its own: it must not hold up the loop that measures."""
    process = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(_send(port, requests)))
    process.start()
    try:
        yield
    finally:
        process.join()


def main() -> int:
    """Print the latencies of reads, and how much the stranger adds."""
    parser = argparse.ArgumentParser(prog="python -m bench.strangers", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each half of a round (default %(default)s)")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table = Table("database", "what", "p50 ms", "p95 ms", "p99 ms")
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with (
            tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
            urls(dialect, Path(folder), [options.articles]) as ([url], _),
        ):
            store = seed(url, options.articles)
            facts = look(store)
            case = next(case for case in CASES if case.name == "article")
            asked = case.requests(facts)
            reads = itertools.cycle([request.wire() for request in asked])
            article, alone, beside, sent = asked[0].path.split("/")[3].partition("?")[0], [], [], 0
            with app(store.url, Path(folder), LIMITS) as process:
                for number in range(ROUNDS + 1):
                    seconds = options.seconds if number else 4.0  # in the first one the process beside the app begins
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
