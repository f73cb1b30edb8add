"""The life of articles against a model: whatever editors and the clock do, readers see what the model says."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from starlette.testclient import TestClient

from app.articles.publishing import advance_due_articles
from app.articles.tables import Article
from app.core.clock import format_rfc3339
from app.db import Database
from app.db.columns import table_of
from app.events.log import read_after
from app.events.schemas import START, Position
from app.search.indexing import index_article
from tests import make
from tests.effort import effort

Headers = dict[str, str]
SECTIONS, TAGS, AUTHORS = ("world", "sport"), ("war", "oil", "cup"), ("ann", "bo")
SLUGS = ("one", "two", "three", "four", "five")
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
GONE = {"retracted": 410, "withheld": 451}


@dataclass(frozen=True)
class Text:
    """What a revision holds."""

    title: str
    section: str | None
    tags: tuple[str, ...]
    authors: tuple[str, ...]


@dataclass
class Story:
    """One article as the model has it."""

    id: str
    slug: str
    created_at: datetime
    texts: list[Text]
    etag: str
    shown: int = 1
    out: int | None = None  # the revision published last
    state: str = "draft"
    legal: bool = False
    public: bool = False
    seen: bool = False  # by readers, at any time
    backdated: bool = False
    published_at: datetime | None = None
    scheduled_at: datetime | None = None
    embargo: datetime | None = None
    embargo_before: datetime | None = None
    expiry: datetime | None = None
    corrections: int = 0
    facts: list[str] = field(default_factory=list)

    @property
    def text(self) -> Text:
        return self.texts[self.shown - 1]

    @property
    def key(self) -> tuple[datetime, str]:
        return self.published_at or self.created_at, self.id

    def settle(self, moment: datetime, *, changed: bool = False, told: str = "") -> None:
        """What becomes public or stops being so, and which fact says it."""
        before, self.public = self.public, self.is_public(moment)
        lifted, self.embargo_before = self.embargo_before, self.embargo
        if self.public and not before and not self.backdated and lifted and self.published_at:
            self.published_at = max(self.published_at, min(lifted, moment))
        self.seen |= self.public
        if self.public and not before:
            self.facts.append("published")
        elif told:
            if told == "retracted" or self.public:
                self.facts.append(told)
        elif self.public and changed:
            self.facts.append("updated")
        elif before and not self.public:
            self.facts.append("unpublished")
        if self.public and not before and told:
            self.facts.append(told)

    def is_public(self, moment: datetime) -> bool:
        embargoed = self.embargo is not None and self.embargo > moment
        expired = self.expiry is not None and self.expiry <= moment
        return self.state == "published" and not embargoed and not expired

    def is_due(self, moment: datetime) -> bool:
        return (self.state == "scheduled" and bool(self.scheduled_at and self.scheduled_at <= moment)) or (
            self.state == "published" and self.public != self.is_public(moment)
        )

    def is_shown(self, moment: datetime) -> bool:
        """Whether readers see it now or at a set time."""
        embargoed = self.embargo is not None and self.embargo > moment
        return self.public or self.state == "scheduled" or (self.state == "published" and embargoed)

    def go_live(self, moment: datetime, n: int) -> None:
        self.state, self.scheduled_at, self.shown, self.out = "published", None, n, n
        if self.published_at is None or not (self.backdated or self.seen):
            self.published_at = moment


texts = st.builds(
    Text,
    st.sampled_from(["Alpha", "Bravo", "Charlie"]),
    st.sampled_from([None, *SECTIONS]),
    st.lists(st.sampled_from(TAGS), max_size=2, unique=True).map(tuple),
    st.lists(st.sampled_from(AUTHORS), max_size=2, unique=True).map(tuple),
)
which = st.integers(0, 3)


class Life(RuleBasedStateMachine):
    """Rules are what editors and the clock do; the invariant is what readers see after each."""

    client: TestClient
    db: Database
    editor: Headers

    def __init__(self) -> None:
        super().__init__()
        self.stories: list[Story] = []
        self.former: dict[str, Story] = {}  # old slugs
        self.clock = BEGIN
        self.steps = 0
        self.traveller = time_machine.travel(self.clock, tick=False)
        self.traveller.start()
        with self.db.transaction() as session:  # what an earlier example left
            session.execute(sa.delete(table_of(Article)))
            for name in ("section", "tag", "author"):
                session.execute(sa.text(f"UPDATE {name} SET articles = 0, shown = 0"))
        self.begin = self.position()

    def teardown(self) -> None:
        self.traveller.stop()

    def position(self) -> Position:
        with self.db.connect() as connection:
            entries = read_after(connection, START, 100_000)
        return entries[-1].position if entries else START

    # What editors do

    def ask(self, method: str, story: Story | None, tail: str = "", body: Any = None, status: int = 200) -> Any:
        """Send a write and expect an answer."""
        url = f"/v1/articles/{story.id}{tail}" if story else "/v1/articles"
        headers = {**self.editor, **({"If-Match": story.etag} if story else {})}
        answer = self.client.request(method, url, json=body, headers=headers)
        found = make.ok(answer, status)
        if story and status == 200:
            assert found["state"] == story.state
            story.etag = answer.headers["etag"]
        return answer

    def taken(self, slug: str, story: Story | None) -> bool:
        return any(other.slug == slug and other is not story for other in self.stories) or (
            slug in self.former and self.former[slug] is not story
        )

    def pick(self, number: int) -> Story:
        return self.stories[number % len(self.stories)]

    @initialize(text=texts)
    def first(self, text: Text) -> None:
        self.create(text, "one", 0)

    @precondition(lambda self: len(self.stories) < 4)
    @rule(text=texts, slug=st.sampled_from(SLUGS), back=st.sampled_from([0, 0, 1, 2]))
    def create(self, text: Text, slug: str, back: int) -> None:
        published_at = self.clock - back * HOUR if back else None
        body = {**self.sent(text), "slug": slug, "published_at": published_at and format_rfc3339(published_at)}
        if self.taken(slug, None):
            assert self.ask("POST", None, body=body, status=409).json()["code"] == "slug_taken"
            return
        answer = self.ask("POST", None, body=body, status=201)
        story = Story(answer.json()["id"], slug, self.clock, [text], answer.headers["etag"], published_at=published_at)
        story.backdated = published_at is not None
        self.stories.append(story)

    def sent(self, text: Text) -> dict[str, Any]:
        more = {"section": text.section, "tags": list(text.tags), "authors": list(text.authors)}
        return {"title": text.title, **more}

    @rule(number=which, text=texts)
    def patch(self, number: int, text: Text) -> None:
        story = self.pick(number)
        if text != story.texts[-1]:
            story.texts.append(text)
            if story.state not in {"published", "retracted", "scheduled"}:
                story.shown = len(story.texts)
        story.settle(self.clock)
        self.ask("PATCH", story, body=self.sent(text))

    @rule(number=which, to=st.integers(0, 9))
    def restore(self, number: int, to: int) -> None:
        story = self.pick(number)
        n = to % len(story.texts) + 1
        story.texts.append(story.texts[n - 1])
        if story.state not in {"published", "retracted", "scheduled"}:
            story.shown = len(story.texts)
        self.ask("POST", story, f"/revisions/{n}/restore")

    @rule(number=which, slug=st.sampled_from(SLUGS))
    def rename(self, number: int, slug: str) -> None:
        story = self.pick(number)
        if self.taken(slug, story):
            assert self.ask("PATCH", story, body={"slug": slug}, status=409).json()["code"] == "slug_taken"
            return
        old, story.slug = story.slug, slug
        if old != slug:
            self.former.pop(slug, None)
            if story.out is not None:
                self.former[old] = story
            story.settle(self.clock, changed=True)
        self.ask("PATCH", story, body={"slug": slug})

    @rule(number=which, to=st.none() | st.integers(0, 9))
    def publish(self, number: int, to: int | None) -> None:
        story = self.pick(number)
        n = len(story.texts) if to is None else to % len(story.texts) + 1
        if story.state != "published" or story.out != n:
            story.go_live(self.clock, n)
            story.settle(self.clock, changed=True)
        self.ask("POST", story, "/publish", None if to is None else {"revision": n})

    @rule(number=which)
    def unpublish(self, number: int) -> None:
        story = self.pick(number)
        if story.state != "published":
            self.refused("POST", story, "/unpublish")
            return
        story.state = "unpublished"
        story.settle(self.clock)
        story.shown = len(story.texts)
        self.ask("POST", story, "/unpublish")

    @rule(number=which, legal=st.booleans())
    def retract(self, number: int, legal: bool) -> None:
        story = self.pick(number)
        body = {"reason": "Made up.", "legal": legal}
        if story.state not in {"published", "unpublished"} or story.out is None:
            self.refused("POST", story, "/retract", body)
            return
        story.state, story.legal = "retracted", legal
        story.settle(self.clock, told="retracted")
        self.ask("POST", story, "/retract", body)

    @rule(number=which, hours=st.integers(1, 3), to=st.none() | st.integers(0, 9))
    def schedule(self, number: int, hours: int, to: int | None) -> None:
        story, at = self.pick(number), self.clock + hours * HOUR
        n = len(story.texts) if to is None else to % len(story.texts) + 1
        body = {"at": format_rfc3339(at), "revision": None if to is None else n}
        if story.state not in {"draft", "unpublished", "scheduled"}:
            self.refused("PUT", story, "/schedule", body)
            return
        story.state, story.scheduled_at, story.shown = "scheduled", at, n
        self.ask("PUT", story, "/schedule", body)

    @rule(number=which)
    def unschedule(self, number: int) -> None:
        story = self.pick(number)
        if story.state != "scheduled":
            self.refused("DELETE", story, "/schedule")
            return
        story.state, story.scheduled_at = "draft" if story.out is None else "unpublished", None
        story.shown = len(story.texts)
        self.ask("DELETE", story, "/schedule")

    @rule(number=which)
    def correct(self, number: int) -> None:
        story, body = self.pick(number), {"text": "It was four."}
        if story.out is None or story.state == "retracted":
            self.refused("POST", story, "/corrections", body)
            return
        story.corrections += 1
        story.settle(self.clock, told="corrected")
        self.ask("POST", story, "/corrections", body)

    @rule(number=which, start=st.sampled_from([None, -1, 1, 2]), end=st.sampled_from([None, 3, 4]))
    def limit(self, number: int, start: int | None, end: int | None) -> None:
        story = self.pick(number)
        rights = [moment and self.clock + moment * HOUR for moment in (start, end)]
        changed = [story.embargo, story.expiry] != rights
        story.embargo, story.expiry = rights
        story.settle(self.clock, changed=changed)
        sent = {
            "embargoed_until": rights[0] and format_rfc3339(rights[0]),
            "expires_at": rights[1] and format_rfc3339(rights[1]),
        }
        self.ask("PATCH", story, body={"rights": sent})

    @rule(number=which)
    def delete(self, number: int) -> None:
        story = self.pick(number)
        if story.state != "draft" or story.out is not None:
            self.refused("DELETE", story)
        elif len(self.stories) > 1:
            self.ask("DELETE", story, status=204)
            self.stories.remove(story)

    def refused(self, method: str, story: Story, tail: str = "", body: Any = None) -> None:
        """What the state does not allow changes nothing: the version is the same afterwards."""
        assert self.ask(method, story, tail, body, 409).json()["code"] == "wrong_state"

    @rule(number=which)
    def stale(self, number: int) -> None:
        """Somebody writes with what they read long ago."""
        story = self.pick(number)
        headers = {**self.editor, "If-Match": '"v999999-0"'}
        answer = self.client.patch(f"/v1/articles/{story.id}", json={"title": "Stale"}, headers=headers)
        assert answer.status_code == 412

    # What the clock does

    @rule(hours=st.integers(1, 4))
    def wait(self, hours: int) -> None:
        self.clock += hours * HOUR
        self.traveller.stop()
        self.traveller = time_machine.travel(self.clock, tick=False)
        self.traveller.start()
        for story in self.stories:
            if story.is_due(self.clock):
                if story.state == "scheduled":
                    story.go_live(story.scheduled_at or self.clock, story.shown)
                story.settle(self.clock, changed=True)
        with self.db.transaction() as session:
            while advance_due_articles(session, index_article):
                pass
        for story in self.stories:
            headers = make.version(self.client, self.editor, {"id": story.id})
            story.etag = headers["If-Match"]

    # What readers see

    @invariant()
    def readers_see_what_is_public(self) -> None:
        if not self.stories:
            return
        self.steps += 1
        public = sorted((story for story in self.stories if story.public), key=lambda s: s.key, reverse=True)
        rows = make.ok(self.client.get("/v1/articles?limit=100&count=exact&fields=slug,title,published_at"))
        assert [row["slug"] for row in rows["data"]] == [story.slug for story in public]
        assert [row["title"] for row in rows["data"]] == [story.text.title for story in public]
        assert rows["page"]["total"] == len(public)
        for at, story in enumerate(public):
            seen = make.ok(self.client.get(f"/v1/articles/{story.slug}?include=neighbours"))
            sides = [seen["neighbours"][side] and seen["neighbours"][side]["slug"] for side in ("next", "previous")]
            assert sides == [public[at - 1].slug if at else None, public[at + 1].slug if public[at + 1 :] else None]
            assert seen["revision"] == story.shown
            assert [tag["slug"] for tag in seen["tags"]] == list(story.text.tags)
            assert (seen["section"] or {}).get("slug") == story.text.section
            assert len(seen["corrections"]) == story.corrections
            assert datetime.fromisoformat(seen["published_at"]) == story.published_at

    @invariant()
    def every_address_answers(self) -> None:
        for story in self.stories:
            assert self.client.get(f"/v1/articles/{story.slug}").status_code == self.status(story), story
        for slug, story in self.former.items():
            answer = self.client.get(f"/v1/articles/{slug}", follow_redirects=False)
            if self.status(story) == 404:
                assert answer.status_code == 404
            else:
                assert (answer.status_code, answer.headers["location"]) == (301, f"/v1/articles/{story.slug}")

        held = {story.slug for story in self.stories} | set(self.former)
        for slug in set(SLUGS) - held:  # editors too find nothing there: what was never out leaves no trace
            url = f"/v1/articles/{slug}"
            assert self.client.get(url, headers=self.editor, follow_redirects=False).status_code == 404

    def status(self, story: Story) -> int:
        if story.state == "retracted":
            return 451 if story.legal else 410
        return 200 if story.public else 404

    @invariant()
    def counts_are_recounts(self) -> None:
        public = [story.text for story in self.stories if story.public]
        counts: dict[str, dict[str, int]] = {
            "sections": {name: sum(text.section == name for text in public) for name in SECTIONS},
            "tags": {name: sum(name in text.tags for text in public) for name in TAGS},
            "authors": {name: sum(name in text.authors for text in public) for name in AUTHORS},
        }
        for kind, expected in counts.items():
            rows = make.ok(self.client.get(f"/v1/{kind}?fields=slug,articles"))["data"]
            assert {row["slug"]: row["articles"] for row in rows} == expected
        shown = [story.text for story in self.stories if story.is_shown(self.clock)]
        stands: dict[str, dict[str, int]] = {
            "section": {name: sum(text.section == name for text in shown) for name in SECTIONS},
            "tag": {name: sum(name in text.tags for text in shown) for name in TAGS},
            "author": {name: sum(name in text.authors for text in shown) for name in AUTHORS},
        }
        with self.db.connect() as connection:
            for kind, numbers in stands.items():
                table = sa.table(kind, sa.column("slug"), sa.column("shown"))
                assert {row.slug: row.shown for row in connection.execute(sa.select(table))} == numbers
        tagged = make.ok(self.client.get("/v1/articles?tag=war&fields=slug"))["data"]
        assert len(tagged) == counts["tags"]["war"]

    @invariant()
    def the_log_tells_it(self) -> None:
        with self.db.connect() as connection:
            entries = read_after(connection, self.begin, 10_000)
        for story in self.stories:
            names = [entry.type for entry in entries if entry.subject_id == story.id]
            assert [name.removeprefix("article.") for name in names] == story.facts, story


@pytest.mark.long
def test_the_life_of_articles(client: TestClient, db: Database, editor: Headers) -> None:
    for name in SECTIONS:
        make.section(client, editor, name.title(), slug=name)
    for name in AUTHORS:
        make.author(client, editor, name.title(), slug=name)
    for name in TAGS:
        make.ok(client.post("/v1/tags", json={"name": name.title(), "slug": name}, headers=editor), 201)
    machine = type("Machine", (Life,), {"client": client, "db": db, "editor": editor})
    examples, unchecked = effort("EXAMPLES", 1, long=100), list(HealthCheck)
    bounds = settings(max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=unchecked)
    run_state_machine_as_test(machine, settings=bounds)
