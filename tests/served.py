"""Servers in processes of their own, for tests that kill them or harm their store."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import processes


class ServerProcess:
    """A server of its own on a store; it is killed, never asked to stop."""

    def __init__(self, url: str, folder: Path, *options: str, **settings: str) -> None:
        environment = {
            **os.environ,
            "BROADSHEET_DATABASE_URL": url,
            "BROADSHEET_DATA_DIR": str(folder),
            "BROADSHEET_RATE_LIMITS": "off",
            "BROADSHEET_LOG_FORMAT": "json",
            **settings,
        }
        self.process = processes.start(
            "serve", "--port", "0", *options, environment=environment, stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        self.lines: list[str] = []
        self.url = ""
        for line in self.process.stderr:
            self.lines.append(line)
            if '"listening"' in line:
                self.url = json.loads(line)["url"]
                break
        assert self.url, "".join(self.lines)
        self.reader = threading.Thread(target=self.lines.extend, args=(self.process.stderr,))
        self.reader.start()

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self.process.send_signal(signal.SIGKILL)

    def bury(self) -> str:
        """Kill it and return everything that it wrote to its log."""
        self.kill()
        self.process.wait()
        self.reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return "".join(self.lines)


@contextmanager
def serving(url: str, folder: Path, *options: str, may_fail: bool = False, **settings: str) -> Iterator[ServerProcess]:
    """Serve until the end of the context; the server may log errors only where it may fail."""
    server = ServerProcess(url, folder, *options, **settings)
    try:
        yield server
    finally:
        lines = server.bury()
    assert may_fail or '"level":"error"' not in lines, lines
