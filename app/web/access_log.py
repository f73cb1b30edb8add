"""The access log and the metrics of requests."""

import asyncio
import json
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from app.core.clock import format_rfc3339, unix_time
from app.core.logs import get_logger, writes_json

FLUSH_SECONDS = 0.05  # after which a line is written
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
log = get_logger("broadsheet.access")


class Metrics(Collector):
    """Metrics of requests. Labels are known methods and route templates, so that their number is limited.

    Each response is counted, so that counting must be cheap: the client library takes a lock for each number.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counts: dict[tuple[str, str, int], int] = defaultdict(int)
        self._durations: dict[str, list[float]] = {}  # by route: responses in each bucket, and beyond; and all seconds
        self.registry.register(self)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a response; on the event loop alone."""
        self._counts[method if method in KNOWN_METHODS else "other", route, status] += 1
        durations = self._durations.get(route)
        if durations is None:
            durations = self._durations[route] = [0.0] * (len(BUCKETS) + 2)
        durations[bisect_left(BUCKETS, seconds)] += 1
        durations[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        requests = CounterMetricFamily(
            "broadsheet_requests_total", "Requests answered.", labels=["method", "route", "status"]
        )
        for (method, route, status), count in self._counts.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        durations = HistogramMetricFamily("broadsheet_request_seconds", "Time to answer in seconds.", labels=["route"])
        bounds = [*map(floatToGoString, BUCKETS), "+Inf"]
        for route, (*counts, seconds) in self._durations.items():
            durations.add_metric([route], list(zip(bounds, accumulate(counts), strict=True)), seconds)
        yield durations


class AccessLog:
    """Counts answers and writes their lines in batches.

    A line has the form of structlog's, which would take a twentieth of the time of a request to make it.
    """

    def __init__(self, metrics: Metrics, log_format: str) -> None:
        self._metrics, self._is_json = metrics, writes_json(log_format)
        self._log = log.bind()
        self._lines: list[str] = []
        self._second, self._stamp = 0, ""  # and its timestamp, without fractions

    def note(self, method: str, route: str, status: int, started: float, request_id: str) -> None:
        """Note an answer; `started` is a reading of `time.perf_counter`."""
        seconds = time.perf_counter() - started
        self._metrics.observe(method, route, status, seconds)
        if not self._is_json:
            ms = round(seconds * 1000, 2)
            self._log.info("request", method=method, route=route, status=status, ms=ms, request_id=request_id)
            return
        moment = unix_time()
        second = int(moment)
        if second != self._second:
            self._second, self._stamp = second, format_rfc3339(datetime.fromtimestamp(second, UTC))[:-1]
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        stamp = f"{self._stamp}.{int((moment - second) * 1e6):06}Z"
        name = method if method in KNOWN_METHODS else json.dumps(method)[1:-1]
        self._lines.append(
            f'{{"method":"{name}","route":"{route}","status":{status},"ms":{seconds * 1000:.2f},"event":"request",'
            f'"request_id":"{request_id}","level":"info","timestamp":"{stamp}"}}\n'
        )

    def flush(self) -> None:
        """Write the collected lines."""
        if self._lines:
            text, self._lines = "".join(self._lines), []
            sys.stderr.write(text)
            sys.stderr.flush()
