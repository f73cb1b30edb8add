"""A history of what clients were told, which the store and later answers must not deny.

Writers comment on one article. Every write that was acknowledged is in the store once and has its event once. Within a
client, reads never go back in time: whoever has seen a comment, or a number of comments, sees no less later.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import sqlalchemy as sa

from app.core.ids import new_id
from app.db import Database
from app.identity import keys
from app.identity.schemas import SYSTEM
from tests.make import bearer, ok

RETRY_SECONDS = 0.02  # after an answer that was none
TIMEOUT_SECONDS = 60.0


@dataclass
class Story:
    """What clients were told; each answer is counted by phase, kind of request and status, 0 for none."""

    url: str
    article: str
    key: str
    phase: str = "well"
    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    last_failure: float = 0.0  # monotonic time
    is_over: bool = False

    @classmethod
    def begin(cls, url: str, db: Database) -> "Story":
        """Publish the article of a new story."""
        with db.transaction() as session:
            key = keys.create_api_key(session, SYSTEM, "writer", ["content:write", "content:publish"])[1]
        with httpx2.Client(base_url=url, headers={**bearer(key), "If-Match": "*"}, timeout=TIMEOUT_SECONDS) as http:
            article = ok(http.post("/v1/articles", json={"title": "Talk"}), 201)["id"]
            ok(http.post(f"/v1/articles/{article}/publish"))
        return cls(url, article, key)

    def statuses(self, phase: str, kind: str) -> set[int]:
        """The statuses that requests of a kind got in a phase."""
        return {status for (when, what, status) in self.answers if (when, what) == (phase, kind)}

    async def send(
        self, http: httpx2.AsyncClient, method: str, path: str, expected: tuple[int, ...], **sent: Any
    ) -> Any:
        """Send a request; None if the server cannot carry it out now, which it has to say clearly."""
        phase, kind = self.phase, "read" if method == "GET" else "write"
        try:
            answer = await http.request(method, path, **sent)
        except httpx2.TransportError:
            self.answers[phase, kind, 0] += 1
            self.last_failure = time.monotonic()
            return None
        self.answers[phase, kind, answer.status_code] += 1
        if answer.status_code in expected:
            return answer
        self.last_failure = time.monotonic()
        is_clear = answer.headers["content-type"] == "application/problem+json"
        if answer.status_code == 503:
            is_clear &= answer.headers.get("retry-after", "").isdigit()
        elif answer.status_code != 507:
            is_clear = False
        if not is_clear:
            self.faults.append(f"{phase}: {method} {path}: {answer.status_code} {answer.text[:300]}")
        return None

    async def write(self) -> None:
        """Comment, again and again, and look at the comments."""
        count, own = 0, list[tuple[str, dict[str, str], str]]()
        path = f"/v1/articles/{self.article}"
        async with httpx2.AsyncClient(base_url=self.url, timeout=TIMEOUT_SECONDS) as http:
            while not self.is_over:
                body = {"id": new_id(), "author": {"name": "Ida"}}
                body["text"] = f"Number {body['id']} has something to say."
                while (answer := await self.send(http, "POST", f"{path}/comments", (200, 201), json=body)) is None:
                    await asyncio.sleep(RETRY_SECONDS)  # until it is done, even when the story is over
                self.acknowledged.add(body["id"])
                own.append((body["id"], bearer(answer.json()["guest_token"]), body["text"]))
                comment, headers, text = random.choice(own)
                answer = await self.send(http, "GET", f"/v1/comments/{comment}", (200, 404), headers=headers)
                if answer is not None and answer.json().get("text") != text:
                    self.faults.append(f"{self.phase}: {comment} was acknowledged: {answer.text[:200]}")
                answer = await self.send(http, "GET", path, (200,))
                if answer is not None:
                    seen = answer.json()["discussion"]["comments"]
                    if seen < max(count, len(own)):
                        self.faults.append(f"{self.phase}: {seen} comments after {max(count, len(own))}")
                    count = max(count, seen)

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Count the answers of a phase."""
        self.phase = phase
        try:
            yield
        finally:
            self.phase = "ending"

    def count(self, phase: str) -> int:
        """How many answers a phase has had."""
        return sum(number for (when, _, _), number in self.answers.items() if when == phase)

    async def advance(self, number: int = 20) -> None:
        """Wait until this phase has had some more answers, and some writes were acknowledged if that is possible."""
        goal = self.count(self.phase) + number
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while self.count(self.phase) < goal:
                await asyncio.sleep(0.01)

    async def heal(self) -> float:
        """Wait until writes are acknowledged again; return the seconds until the last failure since now."""
        began, self.phase = time.monotonic(), "healing"
        goal = len(self.acknowledged) + 20
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(self.acknowledged) < goal:
                await asyncio.sleep(0.01)
        self.phase = "well"
        return round(max(0.0, self.last_failure - began), 3)

    def check(self, db: Database) -> dict[str, object]:
        """Compare the store with what was acknowledged; return the figures of the story."""
        with db.connect() as connection:

            def column(statement: str) -> list[Any]:
                return list(connection.execute(sa.text(statement), {"article": self.article}).scalars())

            stored = column("SELECT id FROM comment WHERE article_id = :article")
            told = column("SELECT subject_id FROM event WHERE type = 'comment.published'")
            counted = column("SELECT comments FROM article_tally WHERE article_id = :article")
        assert self.faults == [], self.faults
        assert self.acknowledged == {str(comment) for comment in stored}, "each is there, and nothing else"
        assert Counter(map(str, told)) == Counter(map(str, stored)), "each has its event once"
        assert counted == [len(stored)]
        assert 500 not in {status for (_, _, status) in self.answers}
        answers: dict[str, dict[str, int]] = {}
        for (phase, kind, status), number in sorted(self.answers.items()):
            answers.setdefault(phase, {})[f"{kind} {status}"] = number
        return {"acknowledged": len(self.acknowledged), "answers": answers}


@contextmanager
def writing(story: Story, clients: int) -> Iterator[list[asyncio.Task[None]]]:
    """Let clients write; for use within a running loop."""
    tasks = [asyncio.create_task(story.write()) for _ in range(clients)]
    try:
        yield tasks
    finally:
        story.is_over = True
