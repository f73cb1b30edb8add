"""Reports: tables with goals, and JSON."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.measure import FORMS, Result
from bench.plots import draw_bars
from bench.seed import Store
from bench.statements import Statement, explained

FLOOR_GOALS = {  # CPU as a multiple of the floor's, on SQLite
    ("article", "miss"): 8.0,
    ("list", "miss"): 15.0,
    ("list fields", "miss"): 15.0,
    ("comments newest", "miss"): 25.0,
    ("changes", "miss"): 15.0,
    ("search two words", "miss"): 150.0,
    **{(name, "hit"): 1.25 for name in ("article", "list", "comments newest", "feed rss")},
}
RATE_GOALS = {"comment post": 1500}  # requests per second, on SQLite
GROWTH_GOAL = 1.3  # p95 and CPU of a read on the largest store relative to the smallest
WRITES = {"draft create", "comment post", "comment post to one"}


class Goal(NamedTuple):
    """A figure and whether its goal was met; None without a goal."""

    what: str
    found: str
    wanted: str
    met: bool | None


HOW = "CPU of all processes, database and worker included, and requests/s: 8 connections (comments: 64). Latency: 1."


def _format_micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}"


COLUMNS = {
    "case": "left",
    "form": "left",
    "database": "left",
    **dict.fromkeys(
        ("articles", "CPU µs", "× floor", "p50 µs", "p95 µs", "p99 µs", "req/s", "hits", "PSS MB"), "right"
    ),
}


def list_rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of all cases."""
    for found in results:
        latencies = [_format_micro(found.latency("alone", name)) for name in ("p50", "p95", "p99")]
        cost = (_format_micro(found.total_cpu), f"{found.ratio:.1f}", *latencies, f"{found.rate:,.0f}")
        memory = (f"{found.hit_rate:.0%}" if found.form == "hit" else "", f"{found.pss / 1e6:.0f}")
        yield (found.case, found.form, found.dialect, f"{found.articles:,}", *cost, *memory)


def print_cases(console: Console, results: Sequence[Result]) -> None:
    """Print a table of all cases."""
    table = Table(title=HOW, title_justify="left")
    for name, side in COLUMNS.items():
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    for row in list_rows(results):
        table.add_row(*row)
    console.print(table)


def compute_growth(small: Result, large: Result) -> tuple[float, float]:
    """Return the growth of p95 (one connection) and CPU with the store, as medians over adjacent rounds."""
    pairs = list(zip(small.rounds, large.rounds, strict=True))
    latency = statistics.median(after.alone.p95 / before.alone.p95 for before, after in pairs)
    cpu = [(after.cpu + after.database_cpu) / (before.cpu + before.database_cpu) for before, after in pairs]
    return latency, statistics.median(cpu)


def list_growth(results: Sequence[Result]) -> Iterator[tuple[Result, tuple[float, float]]]:
    """Yield the largest store's result of each case that was also measured on a smaller one, with its growth."""
    sizes = sorted({found.articles for found in results})
    by_key = {(found.dialect, found.case, found.form, found.articles): found for found in results}
    for (dialect, case, form, articles), small in by_key.items():
        large = by_key.get((dialect, case, form, sizes[-1]))
        if articles == sizes[0] < sizes[-1] and large is not None:
            yield large, compute_growth(small, large)


def list_goals(results: Sequence[Result]) -> Iterator[Goal]:
    """Yield the figures that have goals."""
    for found in results:
        if found.dialect != "sqlite":
            continue
        most = FLOOR_GOALS.get((found.case, found.form))
        if most is not None:
            name = f"CPU of {found.case}, {found.form}, {found.articles:,}"
            yield Goal(name, f"× {found.ratio:.2f} floor", f"≤ × {most}", found.ratio <= most)
        if (least := RATE_GOALS.get(found.case)) is not None:
            name, rate = f"rate of {found.case}, {found.articles:,}", found.rate
            yield Goal(name, f"{rate:,.0f}/s", f"≥ {least:,}/s", rate >= least)
    for large, (latency, cpu) in list_growth(results):
        met = None if large.case in WRITES or large.form == "hit" else max(latency, cpu) <= GROWTH_GOAL
        name = f"growth of {large.case}, {large.form}, {large.dialect}, {large.articles:,}"
        wanted = "" if met is None else f"≤ × {GROWTH_GOAL}"
        yield Goal(name, f"p95 × {latency:.2f}, CPU × {cpu:.2f}", wanted, met)


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


def build_figures(results: Sequence[Result], found: Sequence[Goal]) -> dict[str, Any]:
    """Return all results for JSON; CPU and times are in seconds, memory in bytes."""
    rows = [
        {
            "case": result.case,
            "form": result.form,
            "database": result.dialect,
            "articles": result.articles,
            "cpu": result.cpu,
            "database_cpu": result.database_cpu,
            "floor_ratio": result.ratio,
            "requests_per_second": result.rate,
            "hit_rate": result.hit_rate,
            "pss": result.pss,
            **{
                f"{name}_{kind}": result.latency(kind, name)
                for kind in ("alone", "busy")
                for name in ("p50", "p95", "p99")
            },
        }
        for result in results
    ]
    machine = {"python": platform.python_version(), "cpus": os.cpu_count()}
    return {"machine": machine, "results": rows, "goals": [goal._asdict() for goal in found]}


def write_json(file: Path, results: Sequence[Result], found: Sequence[Goal]) -> None:
    """Write all results as JSON."""
    file.write_text(json.dumps(build_figures(results, found), indent=1, ensure_ascii=False) + "\n")


def _write_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write_results(folder: Path, results: Sequence[Result], found: Sequence[Goal]) -> None:
    """Write figures as JSON, tables in Markdown, and plots."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "figures.json", results, found)
    goals = [(goal.what, goal.found, goal.wanted, {True: "yes", False: "no", None: ""}[goal.met]) for goal in found]
    tables = [_write_table(list(COLUMNS), list_rows(results)), _write_table(["figure", "found", "goal", "met"], goals)]
    (folder / "figures.md").write_text(f"# Figures\n\n{HOW}\n\n" + "\n".join(tables))
    smallest = min(found.articles for found in results)
    for dialect in dict.fromkeys(found.dialect for found in results):
        of_dialect = [found for found in results if found.dialect == dialect]
        growth = {large.case: ratios for large, ratios in list_growth(of_dialect) if large.form == "miss"}
        if growth:
            articles = f"{max(found.articles for found in of_dialect):,} articles ÷ {smallest:,}, {dialect}"
            plot = draw_bars("Growth of answers made anew", articles, ("p95", "CPU"), growth, GROWTH_GOAL)
            (folder / f"growth-{dialect}.svg").write_text(plot)
        costs: dict[str, list[float | None]] = {}
        for result in of_dialect:
            if result.articles == smallest:
                costs.setdefault(result.case, [None, None])[FORMS.index(result.form)] = result.ratio
        plot = draw_bars("CPU of a request", f"× a raw ASGI app, {dialect}", ("made anew", "kept"), costs)
        (folder / f"cost-{dialect}.svg").write_text(plot)
