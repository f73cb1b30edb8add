"""A run on one database: every case on every size of store and on the floor, in short alternating slices."""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from app.core.settings import Settings
from bench.cases import Case, Request, cycle_requests, make_unique, prepare_requests, read_facts
from bench.load import Answer, Slice, WrongAnswer, drive, send_request
from bench.seed import Store
from bench.servers import Process, app, floor, list_children, list_tree, read_cpu, read_each, read_pss, read_since

ROUNDS = 7
WARM_UP = 0.25  # seconds for 400 different requests
BUSY, ALONE, FLOOR = 0.5, 0.35, 0.15  # shares of the time: many connections, one connection, the floor
SAMPLE = 25  # responses, of which the floor sends the one of median size
CACHE_SIZE = Settings.model_fields["cache_size"].default  # megabytes
FORMS = ("miss", "hit")


class Round(NamedTuple):
    """The results of a round of a case on a store; CPU in seconds per request."""

    busy: Slice
    alone: Slice
    cpu: float
    floor_cpu: float
    database_cpu: float


class Result(NamedTuple):
    """All rounds of a case on a store, made anew (`miss`) or kept (`hit`); `pss` in bytes after the last round."""

    case: str
    form: str
    dialect: str
    articles: int
    rounds: list[Round]
    hit_rate: float
    pss: int

    @property
    def cpu(self) -> float:
        """CPU seconds per request of the app with its worker and all processes below it."""
        return statistics.median(found.cpu for found in self.rounds)

    @property
    def total_cpu(self) -> float:
        """The same with the database server's."""
        return statistics.median(found.cpu + found.database_cpu for found in self.rounds)

    @property
    def ratio(self) -> float:
        """All CPU time as a multiple of the floor's."""
        return statistics.median((found.cpu + found.database_cpu) / found.floor_cpu for found in self.rounds)

    @property
    def database_cpu(self) -> float:
        """The database server's CPU seconds per request, 0 on SQLite."""
        return statistics.median(found.database_cpu for found in self.rounds)

    @property
    def rate(self) -> float:
        """Requests per second on many connections."""
        return statistics.median(found.busy.requests / found.busy.seconds for found in self.rounds)

    def latency(self, kind: str, percentile: str) -> float:
        """Return the median over the rounds of a percentile, for `busy` or `alone` connections."""
        values: list[float] = [getattr(getattr(found, kind), percentile) for found in self.rounds]
        return statistics.median(values)


class _Target(NamedTuple):
    """A case on one store."""

    case: Case
    store: Store
    process: Process
    requests: list[Request]

    def drive(self, connections: int, seconds: float) -> Slice:
        wires = cycle_requests(self.case, self.requests)
        return drive(self.process.port, wires, status=self.case.status, connections=connections, seconds=seconds)

    def answer(self) -> Answer:
        """Return the response of median size among a few."""
        asked = self.requests[:SAMPLE]
        if self.case.creates:
            asked = [asked[0]._replace(body=make_unique(asked[0].body))]
        answers = sorted(
            (send_request(self.process.port, request) for request in asked), key=lambda found: len(found.body)
        )
        for found in answers:
            if found.status != self.case.status:
                raise WrongAnswer(f"{self.case.name}: {found.status} {found.body[:300]!r}")
        return answers[len(answers) // 2]

    def hit_rate(self) -> float:
        """Return which share of a few responses was kept."""
        if self.case.statements is None:
            return 0.0
        answers = [send_request(self.process.port, request) for request in self.requests[:SAMPLE]]
        return sum("; hit" in dict(found.headers).get("cache-status", "") for found in answers) / len(answers)


def _etag(process: Process, request: Request) -> str:
    return next(value for name, value in send_request(process.port, request).headers if name.lower() == "etag")


def _rounds(
    targets: Sequence[_Target], floor: Process, number: int, seconds: float, postmaster: int
) -> Iterator[Round]:
    """Measure the floor and each store in alternating slices."""
    case = targets[0].case
    part = seconds / ROUNDS
    path = f"/{number}"

    def on_floor(share: float) -> float:
        before = read_cpu(floor.pid)
        wires = cycle_requests(case, targets[-1].requests, path)
        found = drive(floor.port, wires, status=case.status, connections=case.connections, seconds=share)
        return (read_cpu(floor.pid) - before) / found.requests

    on_floor(WARM_UP)
    for target in targets:
        target.drive(case.connections, WARM_UP * max(1.0, len(target.requests) / 400))
    for _ in range(ROUNDS):
        least = on_floor(part * FLOOR)
        for target in targets:
            alone = target.drive(1, part * ALONE)
            servers = list_children(postmaster) if postmaster else []
            before, database_before = target.process.tree_cpu(), read_each(servers)
            busy = target.drive(case.connections, part * BUSY)
            used, database_used = target.process.tree_cpu() - before, read_since(database_before)
            yield Round(busy, alone, used / busy.requests, least, database_used / busy.requests)


def measure(
    stores: Sequence[Store], cases: Sequence[Case], seconds: float, folder: Path, postmaster: int, form: str
) -> Iterator[Result]:
    """Run the cases on stores of one database, smallest first; `postmaster` is the process id of PostgreSQL."""
    size = CACHE_SIZE if form == "hit" else 0
    with ExitStack() as stack:
        processes = [
            stack.enter_context(app(store.url, folder / str(store.articles), cache_size=size, worker=True))
            for store in stores
        ]
        facts = [read_facts(store) for store in stores]
        plan = [
            [
                _Target(case, store, process, prepare_requests(case, known, partial(_etag, process)))
                for store, process, known in zip(stores, processes, facts, strict=True)
            ]
            for case in cases
        ]
        raw = stack.enter_context(floor([targets[-1].answer() for targets in plan], folder))
        for number, targets in enumerate(plan):
            rounds = list(_rounds(targets, raw, number, seconds, postmaster))
            for at, target in enumerate(targets):
                store, own = target.store, rounds[at :: len(targets)]
                pss = sum(map(read_pss, list_tree(target.process.pid)))
                yield Result(target.case.name, form, store.dialect, store.articles, own, target.hit_rate(), pss)
