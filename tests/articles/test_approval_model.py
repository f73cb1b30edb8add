"""Approval against a model: whatever people, keys and the clock do, no text becomes public that must not.

The model knows who saved which revision, who approved it under which rule, and which rule holds where. Whatever readers
see after a step and did not see before must be approved as the rules require at that moment; a refusal to publish must
be right as well.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import hypothesis
import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from starlette.testclient import TestClient

from app.articles import projection
from app.articles.tables import ApprovalRule, ApprovalStep, Article
from app.core.clock import format_rfc3339
from app.db import Database
from app.db.columns import table_of
from app.search.indexing import index_article
from app.wiring import timers
from tests import make
from tests.conftest import Report
from tests.effort import IS_LONG, effort

pytestmark = pytest.mark.portable

Headers = dict[str, str]
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARENTS = {"world": None, "asia": "world", "sport": None}  # of sections, when an example begins
ARTICLE = table_of(Article)


class Rule(NamedTuple):
    """What a section or the site requires."""

    required: bool
    four_eyes: bool


@dataclass
class Approval:
    """Somebody approved a revision."""

    n: int
    own: bool
    valid: bool = True


@dataclass
class Story:
    """One article as the model has it."""

    id: str
    writers: list[str]  # of each revision
    sections: list[str]  # of each revision
    sources: list[int | None]  # the revisions that were restored
    seen: set[int] = field(default_factory=set)
    approvals: list[Approval] = field(default_factory=list)
    shown: tuple[int, str] | None = None  # the revision that readers see, and its section

    def save(self, who: str, section: str | None = None, source: int | None = None) -> None:
        self.writers.append(who)
        self.sections.append(section or (self.sections[source - 1] if source else self.sections[-1]))
        self.sources.append(source)

    def is_cleared(self, n: int) -> bool:
        return n in self.seen or any(each.n == n and each.valid and not each.own for each in self.approvals)

    def contributors(self, n: int) -> set[str]:
        """Everybody who wrote a part of a revision that nobody else has looked at."""
        out, source = {self.writers[n - 1]}, self.sources[n - 1]
        for m in (n - 1, source):
            if m and not self.is_cleared(m):
                out |= self.contributors(m)
        return out

    def is_approved(self, n: int, rule: Rule) -> bool:
        approvals = [each for each in self.approvals if each.n == n and each.valid]
        return not rule.required or any(not (rule.four_eyes and each.own) for each in approvals)


which, who = st.integers(0, 9), st.sampled_from(["ann", "bo", "cid"])
where = st.sampled_from(sorted(PARENTS))


def told(answer: Any) -> dict[str, Any]:
    """Status and code of an answer, as bulk requests tell them."""
    return {"status": answer.status_code, "code": answer.json().get("code")}


class Newsroom(RuleBasedStateMachine):
    """Rules are what people and the clock do; the invariant is what readers may see."""

    client: TestClient
    db: Database
    admin: Headers
    people: dict[str, Headers]

    def __init__(self) -> None:
        super().__init__()
        self.stories: list[Story] = []
        self.rules: dict[str | None, Rule] = {}
        self.parents: dict[str, str | None] = dict(PARENTS)
        self.clock, self.number = BEGIN, 0
        self.late = False  # whether the worker has not come since time passed
        self.held: set[str] = set()
        self.traveller = time_machine.travel(self.clock, tick=False)
        self.traveller.start()
        with self.db.transaction() as session:  # what an earlier example left
            session.execute(sa.delete(ARTICLE))
            session.execute(sa.delete(table_of(ApprovalRule)))
            session.execute(sa.text("UPDATE section SET articles = 0, shown = 0"))
        for name, parent in PARENTS.items():
            self.ask("PATCH", f"/v1/sections/{name}", {"parent": parent}, self.admin)

    def teardown(self) -> None:
        self.traveller.stop()

    def ask(self, method: str, url: str, body: Any, headers: Headers, *others: int) -> Any:
        answer = self.client.request(method, url, json=body, headers={**headers, "If-Match": "*"})
        assert answer.status_code in (200, 201, 202, 204, *others), (method, url, body, answer.text)
        return answer

    def change(self, story: Story, who: str, verb: str, body: Any = None, method: str = "POST") -> Any:
        """Send a change that the state or the rules may refuse."""
        url = f"/v1/articles/{story.id}" + (f"/{verb}" if verb else "")
        return self.ask(method, url, body, self.people[who], 403, 409, 422)

    def pick(self, number: int) -> Story:
        return self.stories[number % len(self.stories)]

    def rule_of(self, section: str | None) -> Rule:
        """The nearest rule."""
        while section is not None:
            if section in self.rules:
                return self.rules[section]
            section = self.parents[section]
        return self.rules.get(None, Rule(required=False, four_eyes=False))

    def may_show(self, story: Story, n: int) -> bool:
        """Whether readers may see a revision from now on that they do not see yet."""
        sections = {story.sections[n - 1], *([story.shown[1]] if story.shown else [])}
        return all(story.is_approved(n, self.rule_of(section)) for section in sections)

    @initialize(name=who, section=where)
    def first(self, name: str, section: str) -> None:
        self.set_rule(None, required=True, four_eyes=True)
        self.write(name, section)

    @rule(name=who, section=where)
    def write(self, name: str, section: str) -> None:
        if len(self.stories) < 3:
            article = make.draft(self.client, self.people[name], "Title 0", section=section)
            self.stories.append(Story(article["id"], [name], [section], [None]))

    @rule(number=which, name=who, section=st.none() | where, bulk=st.booleans())
    def edit(self, number: int, name: str, section: str | None, bulk: bool) -> None:
        """Change text, language and maybe the section: each is a part of the revision."""
        story, self.number = self.pick(number), self.number + 1
        language = "de" if self.number % 2 else "en"
        body = {"title": f"Title {self.number}", "language": language, **({"section": section} if section else {})}
        if bulk:
            answer = self.bulk(story, name, {"op": "patch", "body": body})
        else:
            answer = told(self.change(story, name, "", body, "PATCH"))
        if self.saved(answer):
            story.save(name, section)

    def saved(self, answer: Any) -> bool:
        """Whether something was saved. A change is refused if it meets a text whose time has come unapproved."""
        if answer["status"] == 409:
            assert answer["code"] == "approval_required", answer
            assert self.late
        return bool(answer["status"] == 200)

    def bulk(self, story: Story, name: str, op: dict[str, Any]) -> Any:
        sent = {"operations": [{"article": story.id, "if_match": "*", **op}]}
        (result,) = self.ask("POST", "/v1/articles/bulk", sent, self.people[name]).json()["data"]
        return result

    @rule(number=which, name=who, to=which)
    def restore(self, number: int, name: str, to: int) -> None:
        story = self.pick(number)
        n = to % len(story.writers) + 1
        if self.saved(told(self.change(story, name, f"revisions/{n}/restore"))):
            story.save(name, source=n)

    @rule(number=which, name=who)
    def submit(self, number: int, name: str) -> None:
        assert self.change(self.pick(number), name, "submit").status_code == 200

    @rule(number=which, name=who, to=st.just(0) | which, bulk=st.booleans())
    def approve(self, number: int, name: str, to: int, bulk: bool) -> None:
        story = self.pick(number)
        n = len(story.writers) - to % len(story.writers)
        own = name in story.contributors(n)
        sections = {story.sections[n - 1], *([story.shown[1]] if story.shown else [])}
        rules = [self.rule_of(section) for section in sections]
        if bulk:
            result = self.bulk(story, name, {"op": "approve", "body": {"revision": n}})
        else:
            result = told(self.change(story, name, "approve", {"revision": n}))
        refused = own and any(rule.required and rule.four_eyes for rule in rules)
        assert result["status"] == (403 if refused else 200), (story, result)
        if not refused:
            story.approvals.append(Approval(n, own))

    @rule(number=which, name=who, to=st.just(0) | which)
    def give_back(self, number: int, name: str, to: int) -> None:
        story = self.pick(number)
        n = len(story.writers) - to % len(story.writers)
        assert self.change(story, name, "return", {"revision": n, "note": "No."}).status_code == 200
        for approval in story.approvals:
            approval.valid &= approval.n != n

    @rule(number=which, name=who, to=st.none() | which, bulk=st.booleans())
    def publish(self, number: int, name: str, to: int | None, bulk: bool) -> None:
        story = self.pick(number)
        n = len(story.writers) if to is None else len(story.writers) - to % len(story.writers)
        body = {"revision": n}
        if bulk:
            result = self.bulk(story, name, {"op": "publish", "body": body})
        else:
            result = told(self.change(story, name, "publish", body))
        if result["code"] == "approval_required":
            assert not self.may_show(story, n), story
        else:
            assert result["status"] == 200

    @rule(number=which, name=who, hours=st.integers(1, 3), to=st.just(0) | which)
    def schedule(self, number: int, name: str, hours: int, to: int) -> None:
        story = self.pick(number)
        n = len(story.writers) - to % len(story.writers)
        body = {"at": format_rfc3339(self.clock + hours * HOUR), "revision": n}
        answer = self.change(story, name, "schedule", body, "PUT")
        if answer.status_code == 200 or answer.json()["code"] == "approval_required":
            assert (answer.status_code == 200) == self.may_show(story, n), story

    @rule(number=which, name=who, to=st.just(0) | which, then=st.sampled_from(["publish", "roll back", "schedule"]))
    def release(self, number: int, name: str, to: int, then: str) -> None:
        """Publish a pinned revision by a release, now or later, and maybe go back to what was there before."""
        story, headers = self.pick(number), self.people[name]
        n = len(story.writers) - to % len(story.writers)
        url = "/v1/releases/" + self.ask("POST", "/v1/releases", {"name": "R"}, headers).json()["id"]
        items = [{"op": "publish", "article": story.id, "revision": n}]
        self.ask("PUT", f"{url}/items", {"items": items}, headers)
        if then == "schedule":
            self.ask("PUT", f"{url}/schedule", {"at": format_rfc3339(self.clock + HOUR)}, headers)
            return
        result = told(self.ask("POST", f"{url}/publish", None, headers, 409))
        if result["code"] == "approval_required":
            assert not self.may_show(story, n), story
        elif then == "roll back" and result["status"] == 200:
            self.readers_see_what_was_approved()
            self.ask("POST", f"{url}/rollback", None, headers, 409)

    @rule(number=which, name=who, verb=st.sampled_from(["unpublish", "retract", "corrections", "previews"]))
    def act(self, number: int, name: str, verb: str) -> None:
        bodies = {"retract": {"reason": "Wrong."}, "corrections": {"text": "Four."}, "previews": {"hours": 1}}
        self.change(self.pick(number), name, verb, bodies.get(verb))

    @rule(number=which, name=who, start=st.sampled_from([None, -1, 1, 2]), end=st.sampled_from([None, -2, 3]))
    def limit(self, number: int, name: str, start: int | None, end: int | None) -> None:
        rights = [moment and format_rfc3339(self.clock + moment * HOUR) for moment in (start, end)]
        body = {"rights": dict(zip(("embargoed_until", "expires_at"), rights, strict=True))}
        self.change(self.pick(number), name, "", body, "PATCH")

    @rule(number=which, name=who)
    def set_facts(self, number: int, name: str) -> None:
        self.number += 1
        body = {"slug": f"slug-{self.number}", "featured": bool(self.number % 2), "seo": {"title": f"{self.number}"}}
        self.change(self.pick(number), name, "", body, "PATCH")

    @rule(number=which, name=who)
    def merge_tags(self, number: int, name: str) -> None:
        self.number += 1
        story, tag = self.pick(number), f"Tag {self.number}"
        if self.saved(told(self.change(story, name, "", {"tags": [tag]}, "PATCH"))):
            story.save(name)
        self.ask("POST", f"/v1/tags/tag-{self.number}/merge", {"into": None}, self.people[name], 404, 409)

    @rule(place=st.none() | where, required=st.sampled_from([True, True, False, None]), four_eyes=st.booleans())
    def set_rule(self, place: str | None, *, required: bool | None, four_eyes: bool) -> None:
        url = f"/v1/sections/{place}/approval" if place else "/v1/approval"
        self.ask("PUT", url, {"required": required, "four_eyes": four_eyes}, self.admin)
        if required is None:
            self.rules.pop(place, None)
        else:
            self.rules[place] = Rule(required, four_eyes)

    @rule(section=st.sampled_from(["asia", "sport"]), parent=st.sampled_from([None, "world"]))
    def move_section(self, section: str, parent: str | None) -> None:
        self.ask("PATCH", f"/v1/sections/{section}", {"parent": parent}, self.admin)
        self.parents[section] = parent

    @rule(hours=st.integers(1, 3), slow=st.booleans())
    def wait(self, hours: int, slow: bool) -> None:
        """Let time pass; a slow worker comes after whatever is done next."""
        self.clock += hours * HOUR
        self.traveller.stop()
        self.traveller = time_machine.travel(self.clock, tick=False)
        self.traveller.start()
        self.late = True
        if not slow:
            self.work()

    @rule()
    def work(self) -> None:
        due = timers(self.client.app.state.services.settings, index_article)  # type: ignore[attr-defined]
        for name in ("publishing", "releases", "merges"):
            with self.db.transaction() as session:
                while due[name].run(session):
                    pass
        self.late = False

    @invariant()
    def readers_see_what_was_approved(self) -> None:
        self.note_what_was_held()
        for story in self.stories:
            answer = self.client.get(f"/v1/articles/{story.id}")
            n = answer.json()["revision"] if answer.status_code == 200 else None
            if n is not None and (story.shown is None or story.shown[0] != n):
                assert self.may_show(story, n), f"revision {n} became public: {story}, {self.rules}"
                story.seen.add(n)
            story.shown = None if n is None else (n, story.sections[n - 1])

    def note_what_was_held(self) -> None:
        """What the worker did not publish at its time, it returned."""
        steps = table_of(ApprovalStep)
        query = sa.select(steps.c.id, steps.c.article_id, steps.c.n).where(steps.c.actor_name == "system")
        with self.db.connect() as connection:
            rows = [row for row in connection.execute(query) if row.id not in self.held]
        for row in rows:
            self.held.add(row.id)
            for approval in next(story.approvals for story in self.stories if story.id == row.article_id):
                approval.valid &= approval.n != row.n


def run(
    client: TestClient,
    db: Database,
    admin: Headers,
    make_key: Callable[..., Headers],
    report: Report,
    examples: int,
    **how: Any,
) -> None:
    seed = int(os.environ.get("SEED") or (random.randrange(2**32) if IS_LONG else 21))
    people = {name: make_key("content:write", "content:approve", "content:publish") for name in ("ann", "bo", "cid")}
    for name in PARENTS:
        make.section(client, admin, name.title(), slug=name)
    base = type("Machine", (Newsroom,), {"client": client, "db": db, "admin": admin, "people": people})
    machine = hypothesis.seed(seed)(base)
    report(seed=seed)
    checks = {"suppress_health_check": list(HealthCheck), "deadline": None, "database": None, **how}
    steps = effort("STEPS", 20, long=40)
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=steps, **checks))


@pytest.mark.long
def test_no_text_becomes_public_that_nobody_approved(
    client: TestClient, db: Database, admin: Headers, make_key: Callable[..., Headers], report: Report
) -> None:
    run(client, db, admin, make_key, report, effort("EXAMPLES", 1, long=120))


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_model_finds_a_way_around_the_rule(
    client: TestClient,
    db: Database,
    admin: Headers,
    make_key: Callable[..., Headers],
    report: Report,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model is worth what it finds: a rule that is broken on purpose."""
    monkeypatch.setattr(projection, "require_approval", lambda *_: None)
    with pytest.raises(AssertionError, match=r"became public|200 == 200"):
        run(client, db, admin, make_key, report, 20, phases=[Phase.generate], report_multiple_bugs=False)
