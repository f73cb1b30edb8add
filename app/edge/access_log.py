"""The access log and metrics of kept answers, in the form of those of the app."""

import asyncio
import sys
import time
from datetime import UTC, datetime

from app.core.clock import format_rfc3339, unix_time
from app.core.logs import writes_json
from app.web.boundary import Metrics, log

FLUSH_SECONDS = 0.05  # in which lines are collected before they are written together


class AccessLog:
    """Counts answers and writes their lines in batches."""

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
        self._lines.append(
            f'{{"method":"{method}","route":"{route}","status":{status},"ms":{seconds * 1000:.2f},"event":"request",'
            f'"request_id":"{request_id}","level":"info","timestamp":"{stamp}"}}\n'
        )

    def flush(self) -> None:
        """Write the collected lines."""
        if self._lines:
            text, self._lines = "".join(self._lines), []
            sys.stderr.write(text)
            sys.stderr.flush()
