"""`python -m bench.peers`: what requests cost beside peers that pip installs, in turn in one run, on SQLite.

Every server runs as its users run it, with its worker and with durable commits; the CPU is that of all its processes.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.load import Slice, drive
from bench.peers.servers import MARK, Peer, make_store, read_contents, serve_isso, serve_ours, serve_plain
from bench.servers import read_cpu

CASES = {"list": 200, "article": 200, "comments": 200, "post": 201}  # with the status of the answer
CONNECTIONS = (16, 64)
COMMENTS = 20_000
CACHE_SIZE = 32  # MB
WARM_UP = 0.5  # seconds
GOAL = 0.6  # CPU of a post relative to the plain peer's
_NUMBERS = itertools.count()


class Turn(NamedTuple):
    """One turn of a server; CPU in seconds per request."""

    cpu: float
    load: Slice

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.load.requests / self.load.seconds


def _cycle(peer: Peer, case: str) -> Iterator[bytes]:
    """Cycle through the requests of a case; each comment that is posted has a text of its own."""
    mark = MARK.encode()
    for wire in itertools.cycle([request.wire() for request in peer.requests[case]]):
        yield wire.replace(mark, b"%0*d" % (len(mark), next(_NUMBERS))) if case == "post" else wire


def _run_turn(peer: Peer, case: str, connections: int, seconds: float) -> Turn:
    processes = peer.processes()
    before = read_cpu(*processes)
    wires = _cycle(peer, case)
    load = drive(peer.port, wires, status=CASES[case], connections=connections, seconds=seconds)
    return Turn((read_cpu(*processes) - before) / load.requests, load)


def measure(
    peers: list[Peer], case: str, connections: int, seconds: float, rounds: int
) -> Iterator[tuple[Peer, list[Turn]]]:
    """Measure one case on each server that has it, in alternating turns."""
    chosen = [peer for peer in peers if case in peer.requests]
    for peer in chosen:
        _run_turn(peer, case, connections, WARM_UP)
    turns = [[_run_turn(peer, case, connections, seconds) for peer in chosen] for _ in range(rounds)]
    yield from zip(chosen, map(list, zip(*turns, strict=True)), strict=True)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each turn (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--isso", type=Path, metavar="PROGRAM", help="isso, in a virtual environment of its own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def main() -> int:
    """Print what each server spends; return 1 if a post costs more than the goal allows."""
    options, console = _parse_options(), Console(width=None if sys.stdout.isatty() else 120)
    table = Table("case", "connections", "server", "CPU µs", "× plain", "requests/s", "p50 ms", "p99 ms")
    results, missed = [], False
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder = Path(name)
        store = make_store(folder, options.articles)
        contents = read_contents(store, COMMENTS)
        servers = [
            serve_plain(contents, folder),
            serve_ours("ours", store, folder, 0),
            serve_ours("ours, kept", store, folder, CACHE_SIZE),
            *([serve_isso(options.isso, contents, folder)] if options.isso else []),
        ]
        peers = [stack.enter_context(server) for server in servers]
        for case, connections in itertools.product(options.only or CASES, CONNECTIONS):
            base: list[Turn] = []
            for peer, turns in measure(peers, case, connections, options.seconds, options.rounds):
                base = base or turns
                ratio = statistics.median(turn.cpu / plain.cpu for turn, plain in zip(turns, base, strict=True))
                missed |= case == "post" and peer.name == "ours" and ratio > GOAL
                cpu, rate = (
                    statistics.median(values) for values in zip(*((t.cpu, t.rate) for t in turns), strict=True)
                )
                p50, p99 = (statistics.median(getattr(t.load, p) for t in turns) * 1e3 for p in ("p50", "p99"))
                figures = (f"{cpu * 1e6:,.0f}", f"{ratio:.2f}", f"{rate:,.0f}", f"{p50:.1f}", f"{p99:.1f}")
                table.add_row(case, str(connections), peer.name, *figures)
                row = {"case": case, "connections": connections, "server": peer.name, "cpu": cpu, "ratio": ratio}
                results.append({**row, "requests_per_second": rate, "turns": [[turn.cpu, turn.rate] for turn in turns]})
    console.print(table)
    console.print(f"goal: the CPU of a post ≤ {GOAL} × that of the plain peer: {'missed' if missed else 'met'}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
