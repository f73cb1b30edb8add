"""Nobody is told that what was acknowledged to them is not so, whatever becomes of standbys and of the primary.

`LONG=1 pytest tests/db/test_standby_history.py` lets standbys pause for 30 seconds.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.core.settings import Settings
from app.db import open_database, replica
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.main import Application, create_app
from tests.db.standbys import TIMEOUT_SECONDS, Cluster
from tests.edge.asgi import Reply, ask
from tests.effort import IS_LONG, effort
from tests.make import Headers, bearer

PAUSE_SECONDS = effort("PAUSE", 0, long=30)  # for which a standby stays paused, beside what is waited for
ROUNDS = effort("ROUNDS", 1, long=50)  # of each kind of client before the next blow
GUESTS = effort("GUESTS", 1, long=4)
STANDBYS = effort("STANDBYS", 1, long=2)
RETRY_SECONDS = 0.05  # after a 503
log = structlog.get_logger("tests.standbys")


class Story:
    """Clients who remember what was acknowledged to them, and look whether answers deny it."""

    def __init__(self, apps: list[Application], admin: Headers) -> None:
        self.apps, self.admin = apps, admin
        self.faults: list[str] = []
        self.phase, self.is_over = "well", False
        self.rounds: Counter[str] = Counter()
        self.away: Counter[tuple[str, str]] = Counter()  # 503s by phase and kind of client
        self.comments: set[str] = set()  # acknowledged, for the follower of changes to hear of
        self.heard: set[str] = set()
        self.articles: list[str] = []

    async def send(
        self, who: str, method: str, path: str, headers: Headers | None = None, body: Any = None, expected: int = 200
    ) -> Reply | None:
        """Ask any of the servers; None if it cannot answer now. Any other answer than the expected is a fault."""
        sent = {**(headers or {}), **({"If-Match": "*"} if method == "PATCH" or path.endswith("publish") else {})}
        reply = await ask(random.choice(self.apps), path, method, sent, body)
        if reply.status == 503:
            self.away[self.phase, who] += 1
            await asyncio.sleep(RETRY_SECONDS)
            return None
        if reply.status != expected:
            self.faults.append(f"{self.phase}, {who}: {method} {path}: {reply.status} {reply.body[:200]!r}")
            return None
        return reply

    def check(self, who: str, reply: Reply | None, holds: Callable[[Any], bool]) -> None:
        """Whether an answer says what was acknowledged."""
        if reply is not None and not holds(reply.json):
            self.faults.append(f"{self.phase}, {who}: {reply.body[:300]!r}")

    async def run(self, kinds: list[Callable[[], AsyncIterator[None]]]) -> None:
        """Be clients of some kinds until it is over."""

        async def be(kind: Callable[[], AsyncIterator[None]]) -> None:
            while not self.is_over:
                async for _ in kind():
                    self.rounds[kind.__name__] += 1
                    if self.is_over:
                        return

        await asyncio.gather(*map(be, kinds))

    async def advance(self, *kinds: str) -> None:
        """Wait until clients of these kinds have come on."""
        goals = {kind: self.rounds[kind] + ROUNDS for kind in kinds}
        async with asyncio.timeout(2 * TIMEOUT_SECONDS):
            while any(self.rounds[kind] < goal for kind, goal in goals.items()):
                await asyncio.sleep(0.01)

    async def publish(self, title: str) -> str:
        """Publish an article, at the beginning."""
        body = {"title": title, "body": {"html": "<p>Once.</p>"}}
        made = await self.send("editor", "POST", "/v1/articles", self.admin, body, 201)
        assert made
        assert await self.send("editor", "POST", f"/v1/articles/{made.json['id']}/publish", self.admin)
        self.articles.append(made.json["id"])
        return str(made.json["id"])

    async def guest(self) -> AsyncIterator[None]:
        """Comment as somebody new each time, and look at one's own comments."""
        article, mine = await self.publish("Talk"), list[tuple[str, str, str, str]]()
        while True:
            text = f"Number {len(mine)}: {random.random()}"
            body = {"text": text, "author": {"name": "Ann"}}
            said = await self.send("guest", "POST", f"/v1/articles/{article}/comments", None, body, 201)
            if said is None:
                continue
            comment, position = said.json, said.headers["broadsheet-position"]
            mine.append((comment["id"], comment["guest_token"], text, position))
            self.comments.add(comment["id"])
            for name, token, words, seen in {mine[-1], random.choice(mine)}:
                own = await self.send("guest", "GET", "/v1/whoami", bearer(token))
                self.check("guest", own, lambda who: who["kind"] == "guest")
                own = await self.send("guest", "GET", f"/v1/comments/{name}", bearer(token))
                self.check("guest", own, lambda found, words=words: found["text"] == words)
                shown = await self.send("guest", "GET", f"/v1/comments/{name}?min_position={seen}")
                self.check("guest", shown, lambda found, words=words: found["text"] == words)
            counted = await self.send("guest", "GET", f"/v1/articles/{article}?min_position={position}")
            self.check("guest", counted, lambda found: found["discussion"]["comments"] >= len(mine))
            yield

    async def key(self) -> AsyncIterator[None]:
        """Make keys, and use them at once and later."""
        made: list[str] = []
        while True:
            body = {"name": "new", "scopes": ["content:read"]}
            answer = await self.send("key", "POST", "/v1/keys", self.admin, body, 201)
            if answer is not None:
                made.append(answer.json["key"])
                for key in {made[-1], random.choice(made)}:
                    found = await self.send("key", "GET", "/v1/articles?state=any&limit=1", bearer(key))
                    self.check("key", found, lambda page: len(page["data"]) == 1)
                yield

    async def editor(self) -> AsyncIterator[None]:
        """Change a title again and again; it never goes back."""
        article, count = await self.publish("Number 0"), 0
        path, told = f"/v1/articles/{article}", 0
        while True:
            count += 1
            if await self.send("editor", "PATCH", path, self.admin, {"title": f"Number {count}"}) is None:
                continue
            answer = await self.send("editor", "POST", f"{path}/publish", self.admin)
            if answer is None:
                continue
            told, position = count, answer.headers["broadsheet-position"]
            for headers, query in ((self.admin, ""), (None, f"?min_position={position}")):
                found = await self.send("editor", "GET", path + query, headers)
                self.check("editor", found, lambda found, told=told: int(found["title"].split()[1]) >= told)
            yield

    async def follower(self) -> AsyncIterator[None]:
        """Follow the changes: no cursor is refused."""
        cursor = ""
        while True:
            headers = random.choice([None, self.admin])
            page = await self.send("follower", "GET", f"/v1/changes?limit=100{cursor}", headers)
            if page is not None:
                self.heard |= {change["id"] for change in page.json["data"]}
                cursor = f"&cursor={page.json['page']['next']}"
                yield
            await asyncio.sleep(0.01)

    async def reader(self) -> AsyncIterator[None]:
        """Read what anybody may."""
        while True:
            paths = ["/v1/articles", "/v1/articles?limit=1", "/feeds/site.rss", f"/v1/articles/{self.articles[0]}"]
            if await self.send("reader", "GET", random.choice(paths)) is not None:
                yield


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Application]:
    """A server with its worker."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


async def ill(story: Story, phase: str, act: Callable[[], object], *kinds: str) -> None:
    """Do something to a server, and let clients go on."""
    story.phase = phase
    await asyncio.to_thread(act)
    await story.advance(*kinds)


ALL = ("guest", "key", "editor", "follower", "reader")


async def tell(cluster: Cluster, story: Story) -> None:
    """Pause standbys, kill one and bring it back, and put one in the place of the primary."""
    await story.advance(*ALL)
    with cluster.lagging():
        await ill(story, "one lags", lambda: None, *ALL)
        await asyncio.sleep(PAUSE_SECONDS)
    if STANDBYS > 1:
        with cluster.hung(cluster.standbys[1]):
            await ill(story, "one hangs", lambda: None, *ALL)
            await asyncio.sleep(PAUSE_SECONDS)
    await ill(story, "one is dead", lambda: cluster.kill(cluster.standby), *ALL)
    await ill(story, "one is back", cluster.standby.ensure_postgres_running, *ALL)
    await asyncio.to_thread(cluster.wait_for_standbys, on=True)
    await ill(story, "no primary", lambda: cluster.kill(cluster.primary), "reader")
    await ill(story, "another primary", cluster.promote, *ALL)
    if IS_LONG:
        await asyncio.sleep(PAUSE_SECONDS)
        await story.advance(*ALL)
    story.is_over = True


async def hear(story: Story) -> None:
    """Let the follower hear of everything that was acknowledged."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        async for _ in story.follower():
            if story.comments <= story.heard:
                return


@pytest.mark.long
def test_nothing_acknowledged_is_denied(
    cluster: Cluster, all_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    while len(cluster.standbys) < STANDBYS:
        cluster.begin_standby()
    if not IS_LONG:
        for name, seconds in {"PROBE_SECONDS": 0.05, "REST_SECONDS": 0.2, "PROBE_TIMEOUT_SECONDS": 1.0}.items():
            monkeypatch.setattr(replica, name, seconds)
    db = open_database(cluster.url)
    with db.transaction() as session:
        admin = bearer(keys.create_api_key(session, SYSTEM, "admin", ["admin"])[1])
    asyncio.run(db.stop())
    read_urls = " ".join(server.get_uri("broadsheet") for server in cluster.standbys)
    urls = {"database_url": cluster.any_url, "read_database_url": read_urls}
    settings = all_settings.model_copy(update={**urls, "cache_size": 8, "data_dir": tmp_path / "data"})
    story = asyncio.run(run(cluster, settings, admin))
    assert story.faults == []
    assert {phase for (phase, who) in story.away if who == "reader"} <= {"no primary", "another primary"}
    log.info("history", rounds=dict(story.rounds), away={" ".join(kind): n for kind, n in story.away.items()})


async def run(cluster: Cluster, settings: Settings, admin: Headers) -> Story:
    """Run servers and clients, and tell the story to its end."""
    async with serving(settings) as one, serving(settings) as other:
        story = Story([one, other], admin)
        await story.publish("First")
        kinds = [story.key, story.editor, story.follower, story.reader, *[story.guest] * GUESTS]
        clients = asyncio.create_task(story.run(kinds))
        try:
            await tell(cluster, story)
        finally:
            story.is_over = True
            await clients
        await hear(story)
    return story
