"""The judges on a store: what they read of it, and that they write nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.comments.moderation import Banned, CheckerVerdict, Draft, DuplicateComment, Reason, Submission, Verdict
from app.comments.rendering import fingerprint_text
from app.core.clock import now
from app.core.problems import TooManyRequests
from app.core.settings import Settings
from app.db import Database
from app.identity.schemas import SYSTEM
from app.moderation.bans import create_ban as ban
from app.moderation.checker import Checker
from app.moderation.learning import learn_comment
from app.moderation.log import LOG
from app.moderation.phrases import create_phrase as watch
from app.moderation.pipeline import DAILY_RATE_FACTOR, ModerationPipeline
from app.moderation.rule_schemas import BanIn, PhraseIn
from tests.make import Headers, published
from tests.moderation.cases import STRANGER, submission
from tests.moderation.stock import comment, participant, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]
TEXT = "None of this is as the article says it is."
HERE, THERE = "a" * 64, "b" * 64


@pytest.fixture
def screen(settings: Settings) -> ModerationPipeline:
    """The judges, with limits that are on."""
    return ModerationPipeline(settings.model_copy(update={"rate_limits": "on", "flood_author": 2, "flood_address": 3}))


def wrote(db: Database, article: Article, who: str, text: str = "Something.", **fields: Any) -> str:
    """A comment that stands already."""
    fields = {"address_hash": HERE, "state": "published", **fields}
    return comment(db, article, text, participant_id=who, fingerprint=fingerprint_text(text), **fields)


def by(who: str, article: Article, text: str = TEXT, **fields: Any) -> Submission:
    """What somebody is about to post."""
    return submission(text, participant={**STRANGER, "id": who}, article_id=article["id"], **fields)


def judged(db: Database, screen: ModerationPipeline, of: Submission, opinion: CheckerVerdict | None = None) -> Verdict:
    """What becomes of it."""
    with db.transaction() as session:
        return screen.evaluate(session, of, opinion)


def test_nobody_is_refused_without_a_reason(db: Database, screen: ModerationPipeline, article: Article) -> None:
    who = participant(db)
    wrote(db, article, who, age=1)
    wrote(db, article, participant(db))
    assert judged(db, screen, by(who, article)) == ("published", ())
    assert judged(db, screen, by(who, article, addresses=())) == ("published", ())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_statement_asks_for_all_of_it_and_nothing_is_written(
    client: TestClient, screen: ModerationPipeline, statements: list[str], article: Article
) -> None:
    del statements[:]
    with client.app.state.services.database.transaction() as session:
        screen.evaluate(session, by(STRANGER["id"], article))
    frame = ("BEGIN", "SAVEPOINT", "RELEASE")
    assert [text.split()[0] for text in statements if not text.startswith(frame)] == ["SELECT"]


def test_a_flood_of_an_author(db: Database, screen: ModerationPipeline, article: Article) -> None:
    who = participant(db)
    wrote(db, article, who, address_hash=THERE)
    assert judged(db, screen, by(who, article)).state == "published"
    wrote(db, article, who, address_hash=None, state="pending")
    with pytest.raises(TooManyRequests) as refused:
        judged(db, screen, by(who, article))
    assert 50 <= int((refused.value.headers or {})["Retry-After"]) <= 60
    assert judged(db, screen, by(participant(db), article)).state == "published"
    later = by(who, article, at=now() + timedelta(seconds=61))
    assert judged(db, screen, later).state == "published"


def test_nobody_counts_edits_nor_where_limits_are_off(
    db: Database, screen: ModerationPipeline, settings: Settings, article: Article
) -> None:
    who = participant(db)
    for n in range(4):
        wrote(db, article, who, f"Number {n}.")
    with pytest.raises(TooManyRequests):
        judged(db, screen, by(who, article, addresses=(HERE,)))
    assert judged(db, screen, by(who, article, addresses=(HERE,), is_edit=True)).state == "published"
    assert judged(db, ModerationPipeline(settings), by(who, article, addresses=(HERE,))).state == "published"


def test_a_flood_from_an_address(db: Database, screen: ModerationPipeline, article: Article) -> None:
    for _ in range(3):
        wrote(db, article, participant(db))
    with pytest.raises(TooManyRequests):
        judged(db, screen, by(participant(db), article, addresses=(HERE, THERE)))
    assert judged(db, screen, by(participant(db), article, addresses=(THERE, HERE))).state == "published"


def test_a_slow_flood_from_an_address(db: Database, settings: Settings, article: Article) -> None:
    slow = ModerationPipeline(settings.model_copy(update={"rate_limits": "on", "flood_address": 1}))
    for n in range(DAILY_RATE_FACTOR):
        assert judged(db, slow, by(participant(db), article, addresses=(HERE,))).state == "published"
        wrote(db, article, participant(db), f"Number {n}.", age=5 + 10 * n)
    with pytest.raises(TooManyRequests):
        judged(db, slow, by(participant(db), article, addresses=(HERE,)))


def test_a_flood_that_takes_its_time(db: Database, settings: Settings, article: Article) -> None:
    who, slow = (
        participant(db),
        ModerationPipeline(settings.model_copy(update={"rate_limits": "on", "flood_author": 1})),
    )
    for n in range(DAILY_RATE_FACTOR):
        assert judged(db, slow, by(who, article)).state == "published"
        wrote(db, article, who, f"Number {n}.", age=5 + 10 * n, address_hash=None)
    with pytest.raises(TooManyRequests) as refused:
        judged(db, slow, by(who, article))
    assert int((refused.value.headers or {})["Retry-After"]) > 3600


def test_the_same_again(
    db: Database, screen: ModerationPipeline, editor: Headers, client: TestClient, article: Article
) -> None:
    who, other = participant(db), published(client, editor, "Another")
    first = wrote(db, article, who, TEXT, age=60)
    for again in (TEXT, TEXT.upper(), f" {TEXT}!"):
        with pytest.raises(DuplicateComment):
            judged(db, screen, by(who, article, again))
    with pytest.raises(DuplicateComment):  # another guest, the same place
        judged(db, screen, by(participant(db), article, addresses=(HERE,)))
    assert judged(db, screen, by(participant(db), article, addresses=(THERE,))).state == "published"
    assert judged(db, screen, by(who, other)).state == "published"
    edit = by(who, article, is_edit=True, comment_id=first)
    assert judged(db, screen, edit).state == "published"


def test_short_words_are_repeated_by_others(db: Database, screen: ModerationPipeline, article: Article) -> None:
    who = participant(db)
    wrote(db, article, who, "Thank you.", age=60)
    assert judged(db, screen, by(participant(db), article, "Thank you!", addresses=(HERE,))).state == "published"
    with pytest.raises(DuplicateComment):
        judged(db, screen, by(who, article, "Thank you!"))


def test_what_was_removed_or_is_old_may_be_said_again(
    db: Database, screen: ModerationPipeline, article: Article
) -> None:
    who = participant(db)
    wrote(db, article, who, TEXT, age=60, state="removed")
    wrote(db, article, who, TEXT, age=60 * 24 + 1)
    assert judged(db, screen, by(who, article)).state == "published"


def test_the_same_under_many_articles(
    db: Database, screen: ModerationPipeline, editor: Headers, client: TestClient, article: Article
) -> None:
    others = [published(client, editor, f"Other {n}") for n in range(2)]
    wrote(db, others[0], participant(db), TEXT, age=60)
    assert judged(db, screen, by(participant(db), article, addresses=(HERE,))).state == "published"
    wrote(db, others[1], participant(db), TEXT, age=50)
    verdict = judged(db, screen, by(participant(db), article, addresses=(HERE,)))
    assert verdict == ("spam", (("repeat", "under 3 articles"),))


def test_bans_hold_for_everybody(db: Database, screen: ModerationPipeline, article: Article) -> None:
    with db.transaction() as session:
        ban(session, SYSTEM, BanIn(kind="email", value="Bad@Site.example"))
    who = participant(db, kind="staff")
    with pytest.raises(Banned):
        judged(db, screen, by(who, article, kind="staff", email="bad+1@site.example"))
    with db.transaction() as session, pytest.raises(Banned):
        screen.require_not_banned(session, {**STRANGER, "email": "bad@site.example"}, ())


def test_phrases_are_read_again_when_they_change(
    client: TestClient, db: Database, screen: ModerationPipeline, article: Article, moderator: Headers
) -> None:
    url, who = "/v1/moderation/phrases", participant(db)
    assert judged(db, screen, by(who, article)).state == "published"
    made = client.post(url, json={"text": "the article says", "action": "reject"}, headers=moderator).json()
    assert judged(db, screen, by(who, article)) == ("rejected", (("phrases", made["id"]),))
    headers = {**moderator, "If-Match": "*"}
    assert client.patch(f"{url}/{made['id']}", json={"action": "hold"}, headers=headers).status_code == 200
    assert judged(db, screen, by(who, article)).state == "pending"
    assert client.delete(f"{url}/{made['id']}", headers=headers).status_code == 204
    assert judged(db, screen, by(who, article)).state == "published"


def test_phrases_that_were_taken_back_are_forgotten(db: Database, screen: ModerationPipeline, article: Article) -> None:
    who = participant(db)
    with db.transaction() as session, session.begin_nested() as savepoint:
        watch(session, SYSTEM, PhraseIn(text="article", action="spam"))
        assert screen.evaluate(session, by(who, article)).state == "spam"
        savepoint.rollback()
    assert judged(db, screen, by(who, article)).state == "published"
    with db.transaction() as session:
        watch(session, SYSTEM, PhraseIn(text="nothing here"))
    assert judged(db, screen, by(who, article)).state == "published"


def test_what_moderators_call_spam_is_known_again(db: Database, screen: ModerationPipeline, article: Article) -> None:
    spam, ham = "Cheap pills online casino bonus click here", "The council voted about schools and roads yesterday"
    who = participant(db)
    for n in range(20):
        assert judged(db, screen, by(who, article, spam)).state == "published", n
        for text, is_spam in ((spam, True), (ham, False)):
            one = comment(db, article, text)
            with db.transaction() as session:
                learn_comment(session, one, text, is_spam)
    verdict = judged(db, screen, by(who, article, spam))
    assert (verdict.state, verdict.reasons[0].stage) == ("spam", "local_bayes")
    assert judged(db, screen, by(who, article, ham)).state == "published"
    assert judged(db, screen, by(who, article, "Words that nobody has used before.")).state == "published"


def test_a_checker_that_was_not_asked_counts_as_away(db: Database, settings: Settings, article: Article) -> None:
    screen = ModerationPipeline(settings.model_copy(update={"checker_url": "http://localhost:9/"}))
    one = by(participant(db), article)
    assert judged(db, screen, one) == ("pending", (("external", "unavailable"),))
    assert judged(db, screen, one, CheckerVerdict("publish")) == ("published", ())


def test_without_a_checker_nobody_is_asked(screen: ModerationPipeline) -> None:
    draft = Draft("a", "text", "<p>text</p>", (), "Somebody", "guest")
    assert asyncio.run(screen.ask_checker(draft)) is None


def test_what_staff_write_is_not_sent_to_a_checker(settings: Settings) -> None:
    class Asked(Checker):
        async def ask(self, draft: Draft) -> CheckerVerdict:
            return CheckerVerdict("hold", draft.kind)

    screen = ModerationPipeline(settings, Asked(settings))
    drafts = [Draft("a", "text", "<p>text</p>", (), "Somebody", kind) for kind in ("guest", "reader", "staff")]
    assert [asyncio.run(screen.ask_checker(draft)) for draft in drafts] == [("hold", "guest"), ("hold", "reader"), None]


def test_the_log_tells_of_what_was_not_simply_published(
    db: Database, screen: ModerationPipeline, article: Article
) -> None:
    held = Verdict("pending", (Reason("links", "3 links"),))
    passing = Verdict("published", (Reason("external", "unavailable"),))
    ones = [by(participant(db), article) for _ in range(3)]
    with db.transaction() as session:
        for one, verdict in zip(ones, (held, passing, Verdict("published")), strict=True):
            screen.log_verdict(session, one, verdict)
    found = {row["comment_id"]: row for row in stored(db, LOG)}
    assert set(found) == {one.comment_id for one in ones[:2]}
    row = found[ones[0].comment_id]
    assert (row["actor_kind"], row["action"], row["state"]) == ("system", "screen", "pending")
    assert (row["article_id"], row["reasons"]) == (article["id"], [{"stage": "links", "detail": "3 links"}])
