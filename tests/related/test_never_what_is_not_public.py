"""Whatever is published, withdrawn, changed or chosen, and whenever the worker comes: only what is public is read.

`STEPS=400` takes longer walks.
"""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from app.articles import editing, publishing
from app.articles.editorial_schemas import ArticleIn, ArticlePatch, RetractIn
from app.articles.reading import ARTICLE
from app.articles.rendering import RenderedArticle
from app.core.problems import Conflict
from app.db import Database
from app.events.log import advance_consumers
from app.identity.schemas import ANONYMOUS, SYSTEM
from app.publication.schemas import AuthorIn, SeriesIn
from app.publication.site import Site
from app.publication.taxonomies import AUTHORS, SERIES
from app.related import linking, similarity
from app.related.analysis import estimate_similarity
from app.related.linking import LINK, TEXT, rebuild_stale_lists
from app.related.links import find_related, pin_articles
from app.related.rebuilding import advance_rebuild as rebuild
from app.related.rebuilding import begin_rebuild
from app.related.schemas import PinsIn
from app.search.indexing import index_article
from app.wiring import CONSUMERS
from tests.effort import effort

pytestmark = pytest.mark.portable

STEPS = effort("STEPS", 15, long=400)
SITE = Site("https://site.example", "/{section}/{slug}")
TOPICS = [
    "harbour ferry captain passengers quay lighthouse sailors anchor",
    "court judge appeal verdict lawyer pension ruling clerk",
    "bakery bread oven flour village recipe apprentice crust",
]


class Walk:
    """A publication that things happen to."""

    def __init__(self, db: Database, seed: int, clock: Any) -> None:
        self.db, self.rng, self.clock = db, random.Random(seed), clock
        self.ids: list[str] = []
        self.texts: list[str] = []
        with db.transaction() as session:
            self.by = [AUTHORS.create(session, SYSTEM, AuthorIn(name=name)) for name in ("Ann", "Bo")]
            self.series = [SERIES.create(session, SYSTEM, SeriesIn(name="Tides"))]

    def text(self) -> str:
        """About something, or once more what another said, nearly."""
        rng = self.rng
        if self.texts and rng.random() < 0.25:
            return f"{rng.choice(self.texts[-12:])} extra"
        words = rng.choice(TOPICS).split()
        self.texts.append(" ".join(rng.choice(words) for _ in range(rng.randint(20, 60))))
        return self.texts[-1]

    def fields(self) -> dict[str, Any]:
        """What an editor sends."""
        rng = self.rng
        title = " ".join(rng.sample(" ".join(TOPICS).split(), 3))
        found: dict[str, Any] = {"title": title, "body": {"html": f"<p>{self.text()}</p>"}}
        found |= {
            "language": rng.choice(["en", "en", "en-GB", "de"]),
            "authors": rng.sample(self.by, rng.randint(0, 2)),
        }
        return {**found, "series": rng.choice([None, *self.series])}

    def step(self) -> None:
        """Something happens; what the state of an article does not allow does not."""
        deeds = (
            [self.make] * 4
            + [self.change] * 2
            + [self.withdraw] * 2
            + [self.rights] * 2
            + [self.choose, self.clockwork]
        )
        deed = self.rng.choice([*deeds, *([self.work] * 2)]) if len(self.ids) > 3 else self.make
        try:
            deed()
        except Conflict:
            return

    def make(self) -> None:
        with self.db.transaction() as session:
            made = editing.create_article(session, SYSTEM, index_article, ArticleIn(**self.fields()))
            self.ids.append(made)
            if self.rng.random() < 0.9:
                publishing.publish_article(session, SYSTEM, index_article, made, None)

    def change(self) -> None:
        with self.db.transaction() as session:
            changed = editing.update_article(
                session, SYSTEM, index_article, self.rng.choice(self.ids), ArticlePatch(**self.fields()), None
            )
            if self.rng.random() < 0.7:
                publishing.publish_article(session, SYSTEM, index_article, changed, None)

    def withdraw(self) -> None:
        one = self.rng.choice(self.ids)
        with self.db.transaction() as session:
            if self.rng.random() < 0.5:
                publishing.unpublish_article(session, SYSTEM, index_article, one, None)
            else:
                publishing.retract_article(session, SYSTEM, index_article, one, RetractIn(reason="wrong"), None)

    def rights(self) -> None:
        at = (datetime.now(UTC) + timedelta(hours=self.rng.randint(-3, 3))).isoformat()
        rights = self.rng.choice(
            [{"embargoed_until": at, "expires_at": None}, {"expires_at": at, "embargoed_until": None}]
        )
        with self.db.transaction() as session:
            editing.update_article(
                session,
                SYSTEM,
                index_article,
                self.rng.choice(self.ids),
                ArticlePatch.model_validate({"rights": rights}),
                None,
            )

    def choose(self) -> None:
        one, *others = self.rng.sample(self.ids, 4)
        with self.db.transaction() as session:
            pin_articles(session, SYSTEM, one, PinsIn(ids=others[: self.rng.randint(0, 3)]), None)

    def clockwork(self) -> None:
        self.clock.shift(timedelta(hours=1))
        with self.db.transaction() as session:
            publishing.advance_due_articles(session, index_article)

    def work(self) -> None:
        with self.db.transaction() as session:
            advance_consumers(session, {"related": CONSUMERS["related"]}, self.rng.randint(1, 8))
            rebuild_stale_lists(session, self.rng.randint(1, 3))

    def check(self) -> None:
        """Every answer holds only what is public, never the article itself, and nothing twice."""
        with self.db.connect() as connection:
            public = set(connection.execute(sa.select(ARTICLE.c.id).where(ARTICLE.c.public)).scalars())
            for one in self.ids:
                found = find_related(connection, one, ANONYMOUS, SITE, limit=100)
                targets = ids_of(found.items if found else [])
                assert one in public or found is None
                assert set(targets) <= public - {one}
                assert len(targets) == len(set(targets))

    def drain(self) -> None:
        """The worker comes round until there is nothing to do."""
        with self.db.transaction() as session:
            while advance_consumers(session, {"related": CONSUMERS["related"]}) or rebuild_stale_lists(session):
                pass

    def links(self) -> set[tuple[Any, ...]]:
        with self.db.connect() as connection:
            rows = connection.execute(sa.select(LINK)).all()
        return {(row.article_id, row.target_id, row.deferred, row.score, *row.terms) for row in rows}

    def rebuild(self) -> None:
        with self.db.transaction() as session:
            begin_rebuild(session)
            while rebuild(session).step:
                pass


def ids_of(items: Sequence[RenderedArticle]) -> list[str]:
    """The articles of some links."""
    return [json.loads(item.json)["article"]["id"] for item in items]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists so short that a small publication fills them."""
    for module, name, most in (
        (similarity, "MAX_LINKS", 3),
        (linking, "MAX_LINKS", 3),
        (similarity, "MAX_LINKS_PER_AUTHOR", 1),
    ):
        monkeypatch.setattr(module, name, most)


@pytest.mark.usefixtures("short")
@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_only_what_is_public_is_linked_and_links_are_what_the_texts_say(db: Database, seed: int) -> None:
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False) as clock:
        walk = Walk(db, seed, clock)
        for number in range(STEPS):
            walk.step()
            if number % 5 == 4:
                walk.check()
        walk.drain()
        walk.check()
        incremental = walk.links()
        with db.transaction() as session:  # made anew, each from all texts there are, they are the same
            session.execute(sa.update(TEXT).values(stale=True))
        walk.drain()
        assert walk.links() == incremental
        _consistent(db)
        walk.rebuild()
        walk.check()
        rebuilt = walk.links()
        _consistent(db)
        walk.rebuild()
        assert walk.links() == rebuilt
        assert incremental
        assert rebuilt


def _consistent(db: Database) -> None:
    """What is stored is of public articles in one language, without copies, and counted right."""
    with db.connect() as connection:
        texts = {row.article_id: row for row in connection.execute(sa.select(TEXT))}
        public = set(connection.execute(sa.select(ARTICLE.c.id).where(ARTICLE.c.public)).scalars())
        assert set(texts) == public
        lists: dict[str, list[Any]] = {}
        for row in connection.execute(sa.select(LINK)):
            lists.setdefault(row.article_id, []).append(row)
        counted = connection.execute(sa.text("SELECT language, articles FROM related_term WHERE stem = ''")).all()
        held = connection.execute(sa.text("SELECT n, count(*) FROM article_term GROUP BY n")).all()
    assert {row.n: len(row.terms) for row in texts.values() if row.terms} == dict(map(tuple, held))
    for language, number in counted:
        assert number == sum(text.language == language for text in texts.values())
    for one, links in lists.items():
        assert len(links) <= similarity.MAX_LINKS
        row = [texts[one], *(texts[link.target_id] for link in links)]
        assert len({text.language for text in row}) == 1
        assert all(
            estimate_similarity(a.signature, b.signature) < similarity.COPY_SIMILARITY
            for n, a in enumerate(row)
            for b in row[:n]
        )
        first = [texts[link.target_id].author_id for link in links if not link.deferred]
        assert all(first.count(author) <= similarity.MAX_LINKS_PER_AUTHOR for author in first if author)
