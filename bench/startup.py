"""`python -m bench.startup`: the time to the first answer and of short commands, and the memory of a server (Linux)."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from app.db import migrations
from app.web.server import bind_socket
from bench.cases import CASES, Request, cycle_requests, read_facts
from bench.load import drive, send_request
from bench.seed import Store, seed_store
from bench.servers import list_tree, read_cpu, read_pss

RUN = ("article", "list", "comments newest", "comment post", "search two words", "feed rss")
COMMANDS = (("--help",), ("keys", "list"), ("serve", "--help"))
START_SECONDS = 60.0
MB = 2**20  # bytes


class Cost(NamedTuple):
    """Seconds of wall time and of CPU time."""

    wall: float
    cpu: float


def command(*arguments: str) -> list[str]:
    """Return the command line of `broadsheet`, with this interpreter."""
    return [sys.executable, "-m", "app", *arguments]


def measure_command(environment: dict[str, str], *arguments: str) -> Cost:
    """Run a command."""
    before, started = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command(*arguments), env=environment, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, getrusage(RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


@contextmanager
def serve(environment: dict[str, str], log: Path) -> Iterator[tuple[int, int, Cost]]:
    """Run `broadsheet serve`; yield its process id, its port, and the cost until its first answer."""
    with bind_socket("127.0.0.1", 0) as free:
        port = int(free.getsockname()[1])
    with log.open("w") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command("serve", "--port", str(port)), env=environment, stderr=errors)
    try:
        while True:
            try:
                send_request(port, Request("GET", "/v1/articles?limit=1"))
                break
            except ConnectionError:
                if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                    raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}") from None
                time.sleep(0.01)
        yield process.pid, port, Cost(time.perf_counter() - started, sum(map(read_cpu, list_tree(process.pid))))
    finally:
        process.terminate()
        process.wait(30)


def measure_memory(store: Store, environment: dict[str, str], log: Path, seconds: float) -> list[tuple[str, float]]:
    """Return the memory of a server in MB: after its start, after each part of a run, and of each process then."""
    facts, cases = read_facts(store), {case.name: case for case in CASES}
    figures = []
    with serve(environment, log) as (pid, port, _):
        figures.append(("after the start", sum(map(read_pss, list_tree(pid))) / MB))
        for name in RUN:
            case = cases[name]
            wires = cycle_requests(case, case.requests(facts))
            drive(port, wires, status=case.status, connections=case.connections, seconds=seconds)
            figures.append((f"after {name}", sum(map(read_pss, list_tree(pid))) / MB))
        figures += [(f"process {number}", read_pss(one) / MB) for number, one in enumerate(list_tree(pid), 1)]
    return figures


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--articles", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5, help="starts and runs of each command (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each part of the run (default %(default)s)")
    parser.add_argument("--store", type=Path, help="a folder to keep the seeded store in, for the next time")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        store = _copy_store(_open_store(options.store or Path(scratch), options.articles), Path(scratch) / "copy")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
        environment |= {
            "BROADSHEET_DATABASE_URL": store.url,
            "BROADSHEET_DATA_DIR": str(Path(scratch) / "copy"),
            "BROADSHEET_RATE_LIMITS": "off",
        }
        log = Path(scratch) / "server.log"
        costs: dict[str, list[Cost]] = {}
        for _ in range(options.rounds):
            with serve(environment, log) as (_, _, cost):
                costs.setdefault("first answer", []).append(cost)
            for arguments in COMMANDS:
                costs.setdefault(" ".join(arguments), []).append(measure_command(environment, *arguments))
        memory = measure_memory(store, environment, log, options.seconds) if options.seconds else []
    table = Table("what", "wall s", "CPU s", "PSS MB")
    for name, found in costs.items():
        table.add_row(name, *(f"{statistics.median(values):.2f}" for values in zip(*found, strict=True)))
    for name, megabytes in memory:
        table.add_row(name, "", "", f"{megabytes:.0f}")
    console.print(table)
    return 0


def _open_store(folder: Path, articles: int) -> Store:
    """Seed a migrated SQLite file, or open the one that is there."""
    facts, url = folder / f"{articles}.json", f"sqlite:///{folder / f'{articles}.db'}"
    if facts.exists():
        return Store(**json.loads(facts.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    migrations.upgrade(url)
    store = seed_store(url, articles)
    facts.write_text(json.dumps(store._asdict()))
    return store


def _copy_store(store: Store, folder: Path) -> Store:
    """Copy a store: a run posts the same comments each time, which the server refuses the second time."""
    folder.mkdir()
    shutil.copy(store.url.removeprefix("sqlite:///"), folder / "copy.db")
    return store._replace(url=f"sqlite:///{folder / 'copy.db'}")


if __name__ == "__main__":
    sys.exit(main())
