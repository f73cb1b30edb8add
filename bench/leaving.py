"""`python -m bench.leaving`: export stores of several sizes, and check that memory does not grow with them."""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from app.db import migrations
from bench.__main__ import DATABASES, create_stores
from bench.seed import seed_store

FORMS = ("ndjson", "wxr", "markdown")
GROWTH = 1.15  # allowed growth of memory from the smallest store to the largest


class Export(NamedTuple):
    """An export: wall and CPU time of the command in seconds, its peak memory and its output in MB."""

    seconds: float
    cpu: float
    peak: float
    written: float


def run_export(url: str, form: str, target: Path) -> Export:
    """Run the command `broadsheet export`."""
    environment = {**os.environ, "BROADSHEET_DATABASE_URL": url, "BROADSHEET_DATA_DIR": str(target.parent)}
    begun = time.perf_counter()
    command = [sys.executable, "-m", "app", "export", "--format", form, str(target)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process, peak = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL), 0.0
    while process.poll() is None:
        peak = max(peak, _peak_memory(process.pid))
        time.sleep(0.02)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    files = [path for path in target.rglob("*") if path.is_file()] if target.is_dir() else [target]
    written = sum(path.stat().st_size for path in files) / 1e6
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Export(time.perf_counter() - begun, cpu, peak, written)


def _peak_memory(pid: int) -> float:
    """Return the peak memory of a process in MB; that of `wait4` includes its parent's at the fork."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> int:
    """Run the benchmark; return 1 if memory grows with the store."""
    parser = argparse.ArgumentParser(prog="python -m bench.leaving", description=__doc__)
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--articles", default="10000,100000", help="sizes of the stores (default %(default)s)")
    options = parser.parse_args()
    sizes, grown = [int(size) for size in options.articles.split(",")], False
    for dialect in DATABASES if options.database == "both" else (options.database,):
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            with create_stores(dialect, folder, sizes) as (addresses, _):
                for size, url in zip(sizes, addresses, strict=True):
                    migrations.upgrade(url)
                    seed_store(url, size)
                for form in FORMS:
                    found = [
                        run_export(url, form, folder / f"{form}-{size}")
                        for size, url in zip(sizes, addresses, strict=True)
                    ]
                    for size, one in zip(sizes, found, strict=True):
                        print(
                            f"{dialect} {form} {size:,} articles: {one.seconds:.1f} s, {one.cpu:.1f} s CPU, "
                            f"{one.peak:.0f} MB at most, {one.written:,.0f} MB written",
                            flush=True,
                        )
                    grown = grown or found[-1].peak > found[0].peak * GROWTH
    return 1 if grown else 0


if __name__ == "__main__":
    raise SystemExit(main())
