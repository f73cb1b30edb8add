"""What publishing, changing and withdrawing articles does to the links of all."""

from collections.abc import Callable
from itertools import combinations
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.reading import ARTICLE
from app.db import Database
from app.db.columns import table_of
from app.events.tables import Event
from app.related.analysis import analyze_text, estimate_similarity
from app.related.linking import LINK, STALE_LIST
from app.related.similarity import COPY_SIMILARITY
from app.services import build_worker
from app.wiring import CONSUMERS
from tests import make
from tests.make import Headers
from tests.related.conftest import COURT, FERRY, LAWS, PORT, related, titles

pytestmark = pytest.mark.portable

Publish = Callable[..., dict[str, Any]]
Work = Callable[[], None]
WIRE = "The port authority said on Monday that the harbour ferry will be replaced by two electric boats in spring. " * 3


def test_a_new_article_comes_into_the_lists_of_those_before_it(
    client: TestClient, publish: Publish, work: Work
) -> None:
    ferry, court = publish("Ferry", FERRY), publish("Court", COURT)
    work()
    assert titles(client, ferry) == titles(client, court) == []
    port, laws = publish("Port", PORT), publish("Laws", LAWS)
    work()
    assert [titles(client, one) for one in (ferry, port, court, laws)] == [["Port"], ["Ferry"], ["Laws"], ["Court"]]


def test_another_text_has_other_links_on_both_sides(
    client: TestClient, editor: Headers, publish: Publish, work: Work
) -> None:
    ferry, port, court = publish("Ferry", FERRY), publish("Port", PORT), publish("Court", COURT)
    work()
    make.patched(client, editor, port, title="Laws", body={"html": f"<p>{LAWS}</p>"})
    make.act(client, editor, port, "publish")
    work()
    assert [titles(client, one) for one in (ferry, port, court)] == [[], ["Court"], ["Laws"]]


def test_languages_do_not_meet_by_accident(client: TestClient, editor: Headers, publish: Publish, work: Work) -> None:
    english, german, british = (publish(tag, FERRY, language=tag) for tag in ("en", "de", "en-GB"))
    port = publish("Port", PORT)
    work()
    assert titles(client, german) == []
    assert "de" not in titles(client, port)
    assert {*titles(client, english), *titles(client, british)} == {"Port"}
    make.patched(client, editor, german, language="en-US")
    make.act(client, editor, german, "publish")
    work()
    assert titles(client, german) == ["Port"]


def test_copies_of_one_text_never_lead_to_each_other_and_only_one_is_led_to(
    client: TestClient, editor: Headers, publish: Publish, work: Work
) -> None:
    copies = [publish(f"Electric boats {n}", WIRE + f"Edition {n}.") for n in range(3)]
    story = publish("What the ferry was", FERRY + " The port authority plans electric boats instead.")
    work()
    assert [titles(client, copy) for copy in copies] == [["What the ferry was"]] * 3
    (only,) = titles(client, story)
    make.act(client, editor, next(copy for copy in copies if copy["title"] == only), "unpublish")
    assert titles(client, story) == []
    work()
    (other,) = titles(client, story)
    assert other != only


def _passage(words: str, seed: int) -> str:
    """These words in an order of its own, so that no four in a row stand in another passage."""
    return " ".join(Random(seed).choices(words.split(), k=60))


def test_what_stood_back_for_a_copy_comes_again_when_that_copy_goes(publish: Publish, work: Work, db: Database) -> None:
    """Being a near copy is not handed on: the second is one of the first, as is the third, but not of each other."""
    sea, court = "harbour ferry captain quay lighthouse sailor anchor", "judge appeal verdict lawyer pension clerk robe"
    bread = "bakery oven flour village recipe apprentice crust"
    one, two, three = (_passage(words, seed) for seed, words in enumerate((sea, court, bread)))
    first, second, third = f"{one} {two} {three}", f"{one} {two}", f"{two} {three}"
    signatures = {text: analyze_text("en", "", text).signature for text in (first, second, third)}
    alike = [
        estimate_similarity(signatures[a], signatures[b]) >= COPY_SIMILARITY
        for a, b in combinations((first, second, third), 2)
    ]
    assert alike == [True, True, False]
    reader = publish("Reader", _passage(f"{court} {bread} {bread}", 9))
    publish("First", first), publish("Second", second)
    work()
    assert listed(db, reader) == ["First"]
    publish("Third", third)
    work()
    assert listed(db, reader) == ["Third", "Second"]


def listed(db: Database, article: dict[str, Any]) -> list[str]:
    """The titles in an article's own list, the best first."""
    query = (
        sa.select(ARTICLE.c.title)
        .join(LINK, LINK.c.target_id == ARTICLE.c.id)
        .where(LINK.c.article_id == article["id"])
    )
    with db.connect() as connection:
        return list(connection.execute(query.order_by(LINK.c.score.desc())).scalars())


def test_changes_that_are_no_matter_of_the_text_cost_nothing(
    client: TestClient, editor: Headers, publish: Publish, work: Work, db: Database
) -> None:
    ferry, port = publish("Ferry", FERRY), publish("Port", PORT)
    work()
    before = _told(db)
    make.patched(client, editor, port, dek="A dek", tags=["sea"])
    make.act(client, editor, port, "publish")
    work()
    assert _told(db) == before
    assert titles(client, ferry) == ["Port"]
    assert related(client, port)[0]["reason"]["terms"]


def _told(db: Database) -> list[list[str]]:
    event = table_of(Event)
    query = sa.select(event.c.groups).where(event.c.type == "article.related_changed").order_by(event.c.seq)
    with db.connect() as connection:
        return [sorted(groups) for groups in connection.execute(query).scalars()]


def test_the_log_tells_whose_links_have_changed(
    client: TestClient, editor: Headers, publish: Publish, work: Work, db: Database
) -> None:
    ferry, port = publish("Ferry", FERRY), publish("Port", PORT)
    work()
    both = sorted(f"related:{one['id']}" for one in (ferry, port))
    assert _told(db) == [both]
    make.act(client, editor, port, "retract", {"reason": "It was wrong."})
    work()
    assert _told(db)[1:] == [[f"related:{ferry['id']}"]]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_worker_does_it_by_itself(client: TestClient, publish: Publish, db: Database, settings: Any) -> None:
    ferry, port = publish("Ferry", FERRY), publish("Port", PORT)
    await db.start()
    worker = build_worker(db, settings)
    while await worker.run_once():
        pass
    assert "related" in CONSUMERS
    assert titles(client, ferry) == ["Port"]
    assert titles(client, port) == ["Ferry"]
    with db.connect() as connection:
        assert connection.execute(STALE_LIST).scalar() is None
