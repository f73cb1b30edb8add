"""Reports: tables with goals, and JSON."""

import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.measure import Result
from bench.seed import Store
from bench.statements import Statement, explained

CPU_GOALS = {"article": 300e-6, "list": 800e-6}  # seconds per request, on SQLite
RATE_GOALS = {"comment post": 1000}  # requests per second, on SQLite
GROWTH_GOAL = 1.3  # p95 of a read on the largest store relative to the smallest
WRITES = {"draft create", "comment post", "comment post to one"}


class Goal(NamedTuple):
    """A figure and whether its goal was met; None without a goal."""

    what: str
    found: str
    wanted: str
    met: bool | None


def _format_micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}"


def print_cases(console: Console, results: Sequence[Result]) -> None:
    """Print a table of all cases."""
    table = Table(
        title="CPU and requests/s: 8 connections (drafts: 16, comments: 64). Latency: 1 connection.",
        title_justify="left",
    )
    table.add_column("case", no_wrap=True)
    for name in ("database", "articles", "CPU µs", "× floor", "db CPU µs", "p50 µs", "p95 µs", "p99 µs", "req/s"):
        table.add_column(name, justify="left" if name == "database" else "right", no_wrap=True)
    for found in results:
        latencies = [_format_micro(found.latency("alone", name)) for name in ("p50", "p95", "p99")]
        database = _format_micro(found.database_cpu) if found.database_cpu else ""
        cost = (_format_micro(found.cpu), f"{found.ratio:.1f}", database)
        table.add_row(found.case, found.dialect, f"{found.articles:,}", *cost, *latencies, f"{found.rate:,.0f}")
    console.print(table)


def _compute_growth(small: Result, large: Result) -> tuple[float, float]:
    """Return the growth of p95 (one connection) and CPU with the store, as medians over adjacent rounds."""
    pairs = list(zip(small.rounds, large.rounds, strict=True))
    latency = statistics.median(after.alone.p95 / before.alone.p95 for before, after in pairs)
    return latency, statistics.median(after.cpu / before.cpu for before, after in pairs)


def list_goals(results: Sequence[Result]) -> Iterator[Goal]:
    """Yield the figures that have goals."""
    sizes = sorted({found.articles for found in results})
    by_key = {(found.dialect, found.case, found.articles): found for found in results}
    for (dialect, case, articles), found in by_key.items():
        if case in CPU_GOALS:
            goal = CPU_GOALS[case]
            met = found.cpu <= goal if dialect == "sqlite" else None
            wanted = f"≤ {_format_micro(goal)} µs" if dialect == "sqlite" else ""
            yield Goal(f"CPU of {case}, {dialect}, {articles:,}", f"{_format_micro(found.cpu)} µs", wanted, met)
        if case in RATE_GOALS and dialect == "sqlite":
            least = RATE_GOALS[case]
            yield Goal(f"rate of {case}, {articles:,}", f"{found.rate:,.0f}/s", f"≥ {least:,}/s", found.rate >= least)
    if len(sizes) < 2:
        return
    for (dialect, case, articles), small in by_key.items():
        if articles == sizes[0]:
            latency, cpu = _compute_growth(small, by_key[dialect, case, sizes[-1]])
            met = None if case in WRITES else latency <= GROWTH_GOAL
            shown = f"× {latency:.2f} (CPU × {cpu:.2f})"
            yield Goal(f"p95 growth of {case}, {dialect}", shown, "" if met is None else f"≤ × {GROWTH_GOAL}", met)


def print_goals(console: Console, found: Sequence[Goal]) -> None:
    """Print which goals were met."""
    table = Table(title="Goals", title_justify="left")
    for name in ("figure", "found", "goal", ""):
        table.add_column(name, no_wrap=True)
    words = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}
    for goal in found:
        table.add_row(goal.what, goal.found, goal.wanted, words[goal.met])
    console.print(table)
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    if load > cpus + 1:
        console.print(f"The machine was busy (load {load:.1f} on {cpus} CPUs): latencies are unreliable.")


def print_plans(console: Console, store: Store, statements: dict[str, list[Statement]]) -> None:
    """Print the query plans of each case."""
    for case, sent in statements.items():
        for statement in sent:
            console.rule(f"{case}, {store.dialect}, {store.articles:,}", align="left")
            console.print(escape(statement.sql), style="dim", highlight=False)
            console.print(escape(explained(store, statement)), highlight=False)


def write_json(file: Path, results: Sequence[Result], found: Sequence[Goal]) -> None:
    """Write all results as JSON; CPU and times are in seconds."""
    rows = [
        {
            "case": result.case,
            "database": result.dialect,
            "articles": result.articles,
            "cpu": result.cpu,
            "floor_ratio": result.ratio,
            "database_cpu": result.database_cpu,
            "requests_per_second": result.rate,
            **{
                f"{name}_{kind}": result.latency(kind, name)
                for kind in ("alone", "busy")
                for name in ("p50", "p95", "p99")
            },
            "rounds": [
                {**entry._asdict(), "busy": entry.busy._asdict(), "alone": entry.alone._asdict()}
                for entry in result.rounds
            ],
        }
        for result in results
    ]
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    file.write_text(
        json.dumps({"machine": machine, "results": rows, "goals": [goal._asdict() for goal in found]}, indent=1)
    )
