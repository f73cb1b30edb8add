"""One run on one database: every case against every size of store and the floor, in short slices that take turns."""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.cases import Case, Request, endless, look, prepared
from bench.load import Answer, Slice, WrongAnswer, ask, drive
from bench.seed import Store
from bench.servers import Process, app, children, cpu, floor

ROUNDS = 7
WARM_UP = 0.25  # seconds
BUSY, ALONE, FLOOR = 0.5, 0.35, 0.15  # shares of a case's time: many connections, one connection, the floor
SAMPLE = 25  # answers of which the floor sends the one of median size


class Round(NamedTuple):
    """What one round has shown of one case on one store; CPU in seconds a request."""

    busy: Slice
    alone: Slice
    cpu: float
    floor_cpu: float
    database_cpu: float


class Result(NamedTuple):
    """All rounds of one case on one store."""

    case: str
    dialect: str
    articles: int
    rounds: list[Round]

    @property
    def cpu(self) -> float:
        """Seconds of the app's CPU a request."""
        return statistics.median(found.cpu for found in self.rounds)

    @property
    def ratio(self) -> float:
        """The app's CPU as a multiple of the floor's."""
        return statistics.median(found.cpu / found.floor_cpu for found in self.rounds)

    @property
    def database_cpu(self) -> float:
        """Seconds of the database server's CPU a request; 0 where there is none."""
        return statistics.median(found.database_cpu for found in self.rounds)

    @property
    def rate(self) -> float:
        """Requests a second on many connections."""
        return statistics.median(found.busy.requests / found.busy.seconds for found in self.rounds)

    def latency(self, kind: str, percentile: str) -> float:
        """Median over the rounds of a percentile, for `busy` or `alone` connections."""
        values: list[float] = [getattr(getattr(found, kind), percentile) for found in self.rounds]
        return statistics.median(values)


class _Target(NamedTuple):
    """A case on one store."""

    case: Case
    store: Store
    process: Process
    requests: list[Request]

    def drive(self, connections: int, seconds: float) -> Slice:
        wires = endless(self.case, self.requests)
        return drive(self.process.port, wires, status=self.case.status, connections=connections, seconds=seconds)

    def answer(self) -> Answer:
        """The answer of median size among a few."""
        asked = self.requests[: 1 if self.case.creates else SAMPLE]
        answers = sorted((ask(self.process.port, request) for request in asked), key=lambda found: len(found.body))
        for found in answers:
            if found.status != self.case.status:
                raise WrongAnswer(f"{self.case.name}: {found.status} {found.body[:300]!r}")
        return answers[len(answers) // 2]


def _etag(process: Process, request: Request) -> str:
    return next(value for name, value in ask(process.port, request).headers if name.lower() == "etag")


def _rounds(
    targets: Sequence[_Target], floor: Process, number: int, seconds: float, postmaster: int
) -> Iterator[Round]:
    """Of one case: the floor and then each store, again and again."""
    case = targets[0].case
    part = seconds / ROUNDS
    path = f"/{number}"

    def on_floor(share: float) -> float:
        before = cpu(floor.pid)
        wires = endless(case, targets[-1].requests, path)
        found = drive(floor.port, wires, status=case.status, connections=case.connections, seconds=share)
        return (cpu(floor.pid) - before) / found.requests

    on_floor(WARM_UP)
    for target in targets:
        target.drive(case.connections, WARM_UP)
    for _ in range(ROUNDS):
        least = on_floor(part * FLOOR)
        for target in targets:
            alone = target.drive(1, part * ALONE)
            servers = children(postmaster) if postmaster else []
            before, database_before = cpu(target.process.pid), cpu(*servers)
            busy = target.drive(case.connections, part * BUSY)
            used, database_used = cpu(target.process.pid) - before, cpu(*servers) - database_before
            yield Round(busy, alone, used / busy.requests, least, database_used / busy.requests)


def measure(
    stores: Sequence[Store], cases: Sequence[Case], seconds: float, folder: Path, postmaster: int = 0
) -> Iterator[Result]:
    """Run the cases on stores of one database, smallest first; `postmaster` is PostgreSQL's process."""
    with ExitStack() as stack:
        processes = [stack.enter_context(app(store.url, folder / str(store.articles))) for store in stores]
        facts = [look(store) for store in stores]
        plan = [
            [
                _Target(case, store, process, prepared(case, known, partial(_etag, process)))
                for store, process, known in zip(stores, processes, facts, strict=True)
            ]
            for case in cases
        ]
        raw = stack.enter_context(floor([targets[-1].answer() for targets in plan], folder))
        for number, targets in enumerate(plan):
            rounds = list(_rounds(targets, raw, number, seconds, postmaster))
            for at, target in enumerate(targets):
                store = target.store
                yield Result(target.case.name, store.dialect, store.articles, rounds[at :: len(targets)])
