"""What authors are told of decisions about their comments, and moderators of what waits for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from app.db import Database
from app.deliveries.lanes import DELIVERY
from app.identity.participants import PARTICIPANT
from app.mail.digests import DigestSchedule
from app.mail.moderation import is_queue_digest_due, send_queue_digests
from app.moderation.person_actions import advance_actions
from tests import make
from tests.mail.post import Mailbox, text_of, work
from tests.make import Headers, ok, published, section

pytestmark = pytest.mark.portable

ANN = "ann@mail.example"
TITLE = "Größer\u202e <b>als</b> =?utf-8?q?=0ABcc:_x?= 你好"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The same, with digests of the queue."""
    update = {"moderation_digest": "hourly", "moderation_url": "https://desk.example/#queue"}
    return settings.model_copy(update=update)


@pytest.fixture
def moderators(make_key: Callable[..., Headers]) -> tuple[Headers, Headers]:
    """Two moderators."""
    return make_key("comments:moderate"), make_key("comments:moderate")


def write_comment(client: TestClient, db: Database, article: Any, text: str, headers: Headers | None = None) -> Any:
    """A comment of a guest who has confirmed an address; returns it with the guest's headers."""
    body = {"text": text} | ({} if headers else {"author": {"name": "Ann"}})
    comment = ok(client.post(f"/v1/articles/{article['id']}/comments", json=body, headers=headers), 201)
    with db.transaction() as session:
        is_hers = PARTICIPANT.c.public_id == comment["author"]["id"]
        session.execute(sa.update(PARTICIPANT).where(is_hers).values(email=ANN, confirmed_at=now()))
    return comment, headers or {"Authorization": f"Bearer {comment['guest_token']}"}


def remove(client: TestClient, comment: Any, moderator: Headers, **body: Any) -> None:
    ok(client.post(f"/v1/comments/{comment['id']}/remove", json=body, headers=moderator))


def test_authors_are_told_why_and_how_an_appeal_ended(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, moderators: tuple[Headers, Headers]
) -> None:
    first, second = moderators
    article = published(client, editor, TITLE)
    comment, ann = write_comment(client, db, article, "Schöne <i>Grüße</i>\n\nBcc: all@mail.example")
    remove(client, comment, first, reason="Beleidigend: „Grüße“\r\nX-Evil: <script>1</script>", ground="terms")
    work(client)
    (mail,) = mailbox.to(ANN)
    assert str(mail["Subject"]).startswith("Your comment on “Größer <b>als</b> = ?utf-8")
    assert str(mail["Subject"]).endswith("was removed")
    assert {"Bcc", "X-Evil"}.isdisjoint(mail.keys())
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = text_of(mail), mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "Beleidigend: „Grüße“" in text
    assert "against our terms" in text
    assert f"#comment-{comment['id']}" in text
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    ok(client.post(f"/v1/comments/{comment['id']}/appeal", json={"text": "It was meant well."}, headers=ann), 201)
    ok(client.post(f"/v1/comments/{comment['id']}/appeal/decline", json={"reason": "It stays."}, headers=second))
    work(client)
    outcome = mailbox.to(ANN)[-1]
    assert "the decision stands" in str(outcome["Subject"])
    assert "It stays." in text_of(outcome)
    assert outcome["In-Reply-To"] == mail["Message-ID"]
    other, _ = write_comment(client, db, article, "Another thought of mine.", ann)
    remove(client, other, first)
    ok(client.post(f"/v1/comments/{other['id']}/appeal", json={"text": "Why?"}, headers=ann), 201)
    ok(client.post(f"/v1/comments/{other['id']}/restore", json={"reason": "A mistake."}, headers=second))
    work(client)
    assert len(mailbox.to(ANN)) == 3, "what was restored before its mail was sent is told of by the outcome alone"
    granted = mailbox.to(ANN)[-1]
    assert "the decision was changed" in str(granted["Subject"])
    assert "A mistake." in text_of(granted)
    ok(client.post(f"/v1/comments/{other['id']}/spam", headers=first))
    work(client)
    assert len(mailbox.to(ANN)) == 3, "spam is not told of"


def test_who_must_not_be_told_is_not(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, moderators: tuple[Headers, Headers]
) -> None:
    moderator, article = moderators[0], published(client, editor, "Discussed")
    comment, ann = write_comment(client, db, article, "Before the ban, in public.")
    people = f"/v1/moderation/people/{comment['author']['id']}/actions"
    ban = ok(client.post(people, json={"ban": "shadow"}, headers=moderator), 202)
    write_comment(client, db, article, "After the ban, in the shadow.", ann)
    remove(client, comment, moderator, reason="Seen.")
    work(client)
    assert mailbox.to(ANN) == []
    ok(client.post(f"{people}/{ban['id']}/undo", headers=moderator), 202)
    later, _ = write_comment(client, db, article, "After the ban was lifted.", ann)
    remove(client, later, moderator)
    with db.transaction() as session:
        session.execute(sa.update(PARTICIPANT).values(confirmed_at=None))
    work(client)
    assert mailbox.to(ANN) == [], "nobody has confirmed the address"
    kept, _ = write_comment(client, db, article, "The last one of mine.", ann)
    remove(client, kept, moderator)
    ok(client.delete("/v1/me/data", headers=ann), 204)
    work(client)
    assert mailbox.to(ANN) == [], "who was erased has no address"


def test_the_removal_of_everything_is_told_once(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, moderators: tuple[Headers, Headers]
) -> None:
    article = published(client, editor, "Discussed")
    comment, ann = write_comment(client, db, article, "The first of several.")
    for n in range(3):
        write_comment(client, db, article, f"And another one, {n}.", ann)
    people = f"/v1/moderation/people/{comment['author']['id']}/actions"
    ok(client.post(people, json={"remove_all": True, "reason": "Too many."}, headers=moderators[0]), 202)
    running = True
    while running:
        with db.transaction() as session:
            running = bool(advance_actions(session))
    work(client)
    (mail,) = mailbox.to(ANN)
    assert "Your 4 comments were removed" in text_of(mail)
    assert "Too many." in text_of(mail)


def send_digest(client: TestClient, db: Database, hours: int) -> None:
    """Let the worker look for a digest that is due after some hours, and send it."""
    schedule = DigestSchedule(ZoneInfo("UTC"), 7, 0)
    with time_machine.travel(now() + timedelta(hours=hours)):
        with db.connect() as connection:
            is_due = is_queue_digest_due(connection, schedule, "hourly")
        if is_due:
            with db.transaction() as session:
                send_queue_digests(session, schedule, "hourly")
        work(client)


def test_moderators_are_sent_what_waits_where_they_moderate(
    client: TestClient, db: Database, mailbox: Mailbox, editor: Headers, moderators: tuple[Headers, Headers]
) -> None:
    inside, outside = section(client, editor, "Inside"), section(client, editor, "Outside")
    make.person(client, db, "Ida", moderator=None)
    limited = make.person(client, db, "Lu", moderator=[inside["id"]])
    make.person(client, db, "Ed", editor=None)
    send_digest(client, db, hours=0)
    send_digest(client, db, hours=1)
    assert mailbox.mails == [], "nothing waits"
    ok(client.put("/v1/discussion", json={"moderation": "pre"}, headers=moderators[0] | {"If-Match": "*"}))
    for number, where in ((2, outside), (1, inside)):
        article = published(client, editor, f"In {where['name']}", section=where["slug"])
        for n in range(number):
            write_comment(client, db, article, f"Waiting number {n} in {where['name']}.")
    send_digest(client, db, hours=2)
    send_digest(client, db, hours=2)
    sent = {str(mail["To"]): (str(mail["Subject"]), text_of(mail)) for mail in mailbox.mails}
    assert sorted(sent) == ["ida@example.com", "lu@example.com"]
    assert len(mailbox.mails) == 2
    assert sent["ida@example.com"][0].startswith("3 comments wait")
    assert sent[limited.email][0].startswith("1 comment waits")
    assert "before publication: 1" in sent[limited.email][1]
    assert "https://desk.example/#queue" in sent[limited.email][1]
    with db.connect() as connection:
        kept = connection.execute(sa.select(DELIVERY.c.content).where(DELIVERY.c.what == "queue")).scalars()
        assert all(content == {} for content in kept), "deliveries hold no address"
