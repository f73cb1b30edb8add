"""`python -m bench.renditions`: renditions made per second, and the latency of reads of articles alone and beside."""

import argparse
import asyncio
import io
import itertools
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import uvloop
from PIL import Image, ImageFilter
from rich.console import Console
from rich.table import Table

from app.db import open_database
from app.publication.media_library import find_picture
from app.publication.renditions import WIDTHS, Form, PictureRow, fit_spec, present_rendition
from bench.__main__ import create_stores
from bench.cases import CASES, Request, read_facts
from bench.load import Slice, drive_in_loop
from bench.seed import seed_store
from bench.servers import Process, app, read_cpu

READS, PICTURES, CONNECTIONS = "article", 12, 4
ROUNDS, GOAL, RATE = 7, 2.0, 50
READERS, PACE = 4, 0.02  # connections that read, and seconds between the requests of each: 200 a second
SHAPES = ((1, 1), (16, 9))  # of crops, which are every third rendition
SPREAD = 16  # pixels by which widths differ, so that no rendition was made before


def paint_picture(number: int, size: tuple[int, int]) -> bytes:
    """Return a JPEG with detail of all sizes, as photographs have it."""
    whole = Image.effect_mandelbrot(size, (-2, -1, 1, 1), 30 + number).convert("L")
    grain = Image.effect_noise(size, 30).filter(ImageFilter.GaussianBlur(1.2))
    layers = (whole, Image.blend(whole, grain, 0.5), Image.blend(whole.transpose(0), grain, 0.4))
    out = io.BytesIO()
    Image.merge("RGB", layers).save(out, "JPEG", quality=88)
    return out.getvalue()


def upload_pictures(process: Process, key: str, size: tuple[int, int]) -> list[str]:
    """Upload the pictures; return their ids."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{process.port}", timeout=120) as http:
        headers = {"Authorization": f"Bearer {key}"}
        answers = [
            http.post("/v1/media", files={"file": paint_picture(number, size)}, headers=headers)
            for number in range(PICTURES)
        ]
    return [answer.raise_for_status().json()["id"] for answer in answers]


def iterate_renditions(pictures: list[PictureRow], form: Form) -> Iterator[bytes]:
    """Yield requests for renditions of the widths that pages show, each once; all of a picture follow each other."""
    choose = random.Random(1)
    for number, picture in zip(itertools.count(), itertools.cycle(pictures), strict=False):
        for width in WIDTHS:
            spread = width - choose.randrange(SPREAD) - number // len(pictures) % 100
            across, down = SHAPES[number % len(SHAPES)]
            height = spread * down // across if choose.randrange(3) == 0 else None
            spec = fit_spec(picture, spread, height)
            yield Request("GET", str(present_rendition(picture, "", "", spec, form)["url"])).wire()


async def measure_both(
    process: Process, reads: Iterator[bytes], renditions: Iterator[bytes], seconds: float
) -> tuple[Slice, Slice]:
    """Measure one connection that reads, while others have renditions made without pause."""
    return await asyncio.gather(
        drive_in_loop(process.port, reads, 200, READERS, seconds, PACE),
        drive_in_loop(process.port, renditions, 200, CONNECTIONS, seconds),
    )


def main() -> int:
    """Print the figures; return 1 if renditions are too slow, or slow reads too much."""
    parser = argparse.ArgumentParser(prog="python -m bench.renditions", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for half a round (default %(default)s)")
    parser.add_argument("--form", choices=("webp", "avif", "jpg"), default="webp")
    parser.add_argument("--size", default="2400x1600", help="of the pictures (default %(default)s)")
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    width, height = map(int, options.size.split("x"))
    rates, costs, alone, beside = [], [], [], []
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        create_stores("sqlite", Path(folder), [2000]) as ([url], _),
    ):
        store = seed_store(url, 2000)
        reads = itertools.cycle(
            [each.wire() for case in CASES if case.name == READS for each in case.requests(read_facts(store))]
        )
        with app(url, Path(folder)) as process:
            ids = upload_pictures(process, store.key, (width, height))
            database = open_database(url)
            with database.connect() as connection:
                pictures = [row for each in ids if (row := find_picture(connection, each))]
            renditions = iterate_renditions(pictures, options.form)
            uvloop.run(measure_both(process, reads, renditions, 4.0))  # starts the processes
            for _ in range(ROUNDS):
                alone.append(uvloop.run(drive_in_loop(process.port, reads, 200, READERS, options.seconds, PACE)))
                before = process.tree_cpu() - read_cpu(process.pid)
                read, made = uvloop.run(measure_both(process, reads, renditions, options.seconds))
                costs.append((process.tree_cpu() - read_cpu(process.pid) - before) / made.requests)
                rates.append(made.requests / made.seconds)
                beside.append(read)
            for engine in database.engines():
                engine.dispose()
    table = Table("figure", "median", "goal")
    rate = statistics.median(rates)
    ratio = statistics.median(two.p99 / one.p99 for one, two in zip(alone, beside, strict=True))
    table.add_row(f"renditions/s ({options.form}, {options.size})", f"{rate:.0f}", f"≥ {RATE}")
    table.add_row("CPU ms per rendition", f"{statistics.median(costs) * 1000:.1f}", "")
    for name, slices in (("reads alone", alone), ("reads beside", beside)):
        table.add_row(f"{name}, p99 ms", f"{statistics.median(each.p99 for each in slices) * 1000:.2f}", "")
    table.add_row("p99 beside / alone", f"× {ratio:.2f}", f"≤ × {GOAL}")
    console.print(table)
    return 0 if rate >= RATE and ratio <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
