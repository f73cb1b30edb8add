"""A server under mixed load for long does not grow: neither in memory, nor in open files, nor in threads."""

import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2
import psutil
import pytest

from app.core.settings import Settings
from app.db import Database
from tests.conftest import Headers, Report
from tests.effort import effort
from tests.make import bearer, ok
from tests.served import serving

SECONDS = effort("SOAK_SECONDS", 5, long=1800)
RATE = effort("SOAK_RATE", 50, long=50)  # requests a second
SAMPLES = 60
WARM_UP = 0.4  # of the time: caches fill, the planner gets its statistics, pools open their connections
MAX_GROWTH = 1.05
ARTICLES = 20
STREAMS = 4  # which end and begin again all the time


@dataclass
class Load:
    """Clients of all kinds, at a fixed pace."""

    http: httpx2.AsyncClient
    editor: Headers
    articles: list[str]
    answers: Counter[int] = field(default_factory=Counter)
    refusals: set[str] = field(default_factory=set)
    comments: list[tuple[str, Headers]] = field(default_factory=list)

    async def send(self, method: str, path: str, headers: Headers | None = None, body: Any = None) -> Any:
        """Send a request and count its answer."""
        answer = await self.http.request(method, path, headers=headers or {}, json=body)
        self.answers[answer.status_code] += 1
        if answer.status_code >= 400:
            self.refusals.add(f"{method} {path.partition('?')[0]}: {answer.text[:300]}")
        return answer

    async def act(self) -> None:
        """Do one thing that a reader, a commenter or an editor does."""
        article = random.choice(self.articles)
        path = f"/v1/articles/{article}"
        match random.choices(["read", "comment", "vote", "change", "revise"], [70, 12, 12, 3, 3])[0]:
            case "read":
                lists = ["/v1/articles", "/v1/articles?tag=fog", "/feeds/site.rss", "/v1/search?q=fog", "/v1/changes"]
                beside = [
                    path,
                    f"{path}/comments",
                    f"{path}/related",
                    f"{path}?include=comments",
                    f"/v1/counts?articles={article}",
                ]
                await self.send("GET", random.choice([*lists, *beside, *[path] * 5]))
            case "comment":
                body = {"text": f"I have seen it {random.getrandbits(64)} times.", "author": {"name": "Ida"}}
                answer = await self.send("POST", f"{path}/comments", None, body)
                if answer.status_code == 201:
                    comment = answer.json()
                    self.comments = [*self.comments[-50:], (comment["id"], bearer(comment["guest_token"]))]
            case "vote" if len(self.comments) > 1:
                (comment, _), (_, voter) = random.sample(self.comments, 2)
                await self.send("PUT", f"/v1/comments/{comment}/vote", voter, {"value": random.choice([1, -1, 0])})
            case "change":
                tags = random.sample(["fog", "rain", "wind", "snow"], 2)
                await self.send("PATCH", path, self.editor, {"tags": tags})
            case _:
                text = {"markdown": " ".join(random.choices(["fog", "rain", "harbour", "bridge"], k=200))}
                await self.send("PATCH", path, self.editor, {"body": text})
                await self.send("POST", f"{path}/publish", self.editor)

    async def listen(self) -> None:
        """Open a live stream for a while, again and again."""
        while True:
            path = f"/v1/articles/{random.choice(self.articles)}/live"
            async with self.http.stream("GET", path) as stream:
                self.answers[stream.status_code] += 1
                await asyncio.sleep(random.uniform(0.5, 5))

    async def run(self, process: psutil.Process) -> list[dict[str, float]]:
        """Keep the pace to the end; the samples that were taken of the server."""
        began, samples, tasks = time.monotonic(), list[dict[str, float]](), set[asyncio.Task[None]]()
        streams = [asyncio.create_task(self.listen()) for _ in range(STREAMS)]
        for number in itertools.count():
            at = number / RATE
            if at >= SECONDS:
                break
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            if len(tasks) < 100:
                task = asyncio.create_task(self.act())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            if at >= (len(samples) + 1) * SECONDS / SAMPLES:
                samples.append(measure(process))
        await asyncio.gather(*tasks)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        return samples


def measure(process: psutil.Process) -> dict[str, float]:
    """Measure a server with its query processes.

    Connections that clients hold open are not counted among its files: slower answers ask for more of them. What a
    client has closed and the server has not is counted.
    """
    family = [process, *process.children(recursive=True)]
    listening = {
        connection.laddr for connection in process.net_connections("tcp") if connection.status == psutil.CONN_LISTEN
    }
    held = [
        connection
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.laddr in listening
    ]
    return {
        "megabytes": sum(member.memory_info().rss for member in family) / 1e6,
        "files": sum(member.num_fds() for member in family) - len(held),
        "threads": sum(member.num_threads() for member in family),
    }


async def soak(url: str, editor: Headers, process: psutil.Process) -> tuple[Load, list[dict[str, float]]]:
    """Publish some articles, then keep the load up."""
    async with httpx2.AsyncClient(base_url=url, timeout=60) as http:
        headers = {**editor, "If-Match": "*"}
        load = Load(http, headers, [])
        for number in range(ARTICLES):
            body = {"title": f"Number {number}", "tags": ["fog"], "body": {"markdown": "Fog over the harbour. " * 50}}
            article = ok(await http.post("/v1/articles", json=body, headers=headers), 201)["id"]
            ok(await http.post(f"/v1/articles/{article}/publish", headers=headers))
            load.articles.append(article)
        return load, await load.run(process)


@pytest.mark.long
def test_nothing_grows(settings: Settings, db: Database, editor: Headers, report: Report) -> None:
    with serving(settings.database, settings.data_dir) as server:
        load, samples = asyncio.run(soak(server.url, editor, psutil.Process(server.process.pid)))
    settled = samples[round(len(samples) * WARM_UP) :]
    half = len(settled) // 2
    growth = {
        name: statistics.median(sample[name] for sample in settled[half:])
        / statistics.median(sample[name] for sample in settled[:half])
        for name in samples[0]
    }
    report(
        seconds=SECONDS,
        growth={name: round(ratio, 3) for name, ratio in growth.items()},
        samples={name: [round(sample[name]) for sample in samples[:: SAMPLES // 12]] for name in samples[0]},
        answers={str(status): number for status, number in sorted(load.answers.items())},
    )
    assert load.refusals == set()
    assert all(ratio <= MAX_GROWTH for ratio in growth.values()), growth
