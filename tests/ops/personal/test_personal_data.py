"""Personal data: everything is told to whom it is about and to nobody else; erased means that no table holds a word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from app.articles.discussion_settings import ARTICLE_TALLY
from app.cli import archives
from app.comments.reading import C
from app.db import Database
from app.db.columns import table_of
from app.identity.participants import PARTICIPANT
from app.importers.tables import ImportSource
from app.moderation.bans import BAN
from app.moderation.log import LOG, log_decision
from app.moderation.pipeline import hash_email
from app.moderation.reports import REPORT
from app.ops import personal
from app.reactions.reactions import REACTION, VOTE
from tests.mail.post import worker_alone
from tests.make import Headers, guest, ok, said
from tests.moderation.stock import comment, decide, participant, queued, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]
EMAIL = "zqxmail@site.example"
NAMED = {"name": "Zqxname", "email": "ZqxMail@site.example"}
SOURCE = table_of(ImportSource)


def dump(db: Database) -> str:
    """Every value of every table."""
    rows: list[str] = []
    with db.connect() as connection:
        for table in SQLModel.metadata.sorted_tables:
            for row in connection.execute(sa.text(f'SELECT * FROM "{table.name}"')):
                values = (value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row)
                rows.append(f"{table.name}: {' | '.join(values)}")
    return "\n".join(rows)


def backed_up(db: Database, folder: Path) -> bytes:
    """Every byte of a backup on SQLite, of what was deleted, too; PostgreSQL dumps rows alone."""
    if db.dialect == "postgresql":
        return b""
    archives.backup(str(db.engines()[0].url), f"file://{folder}/media", folder / "backup", force=False)
    return (folder / "backup" / archives.DATABASE).read_bytes()


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def vote(client: TestClient, who: Headers, comment_id: str, value: int) -> None:
    ok(client.put(f"/v1/comments/{comment_id}/vote", json={"value": value}, headers=who))


def data_of(client: TestClient, who: Headers) -> dict[str, Any]:
    answer = client.get("/v1/me/data", headers=who)
    assert answer.headers["cache-control"] == "private, no-store"
    found: dict[str, Any] = ok(answer)
    return found


def erase(client: TestClient, who: Headers) -> None:
    ok(client.delete("/v1/me/data", headers=who), 204)


def live(
    client: TestClient, home: TestClient, db: Database, article: Article, ann: Headers, bo: Headers, admin: Headers
) -> list[str]:
    """All that a person can leave behind, with the canary in each word; returns the ids of the comments."""
    url = f"/v1/articles/{article['id']}"
    posted = said(home, article, "Zqxfirst.", ann)
    answer = said(client, article, "Bo answers.", bo, parent_id=posted["id"])
    own = said(home, article, "Zqxreply.", ann, parent_id=answer["id"])
    inline = said(home, article, "Zqxinline.", ann, anchor={"revision": 1, "exact": "a time"})
    lost = said(home, article, "Zqxrejected.", ann)
    edited = {**ann, "Idempotency-Key": "zqxedit"}
    ok(home.patch(f"/v1/comments/{inline['id']}", json={"text": "Zqxlater and zqxname."}, headers=edited))
    words = {"passages": ["Zqxlater"], "reason": "Because of zqxreason."}
    ok(client.post(f"/v1/comments/{inline['id']}/redact", json=words, headers={**admin, "Idempotency-Key": "red"}))
    decide(client, admin, lost["id"], "reject", reason="Because of zqxnote.")
    ok(home.post(f"/v1/comments/{lost['id']}/appeal", json={"text": "Zqxappeal."}, headers=ann), 201)
    told = {"reason": "abuse", "text": "Zqxquoted.", "email": "bo@site.example"}
    ok(client.post(f"/v1/comments/{own['id']}/reports", json=told, headers=bo), 202)
    told = {"reason": "abuse", "text": "Zqxreport.", "email": EMAIL}
    ok(home.post(f"/v1/comments/{answer['id']}/reports", json=told, headers=ann), 202)
    vote(home, ann, answer["id"], 1)
    vote(client, bo, posted["id"], 1)
    for where, who in ((home, ann), (client, bo)):
        ok(where.put(f"{url}/reaction", json={"value": "agree"}, headers=who))
    with db.transaction() as session:
        reasons = [("external", "It says zqxfirst.")]
        log_decision(session, posted["id"], "system", None, "screen", "published", reasons, article_id=article["id"])
        row = {"source": "disqus:x", "kind": "reader", "foreign_id": "sha256:zqxhash", "fingerprint": ""}
        writer = stored(db, C, id=posted["id"])[0]["participant_id"]
        session.execute(sa.insert(SOURCE).values(**row, local_id=writer))
    body = {"kind": "identity", "comment_id": posted["id"], "reason": "Zqxban."}
    ok(client.post("/v1/bans", json=body, headers={**admin, "Idempotency-Key": "ban"}), 201)
    return [posted["id"], own["id"], inline["id"], lost["id"], answer["id"]]


@pytest.fixture
def home(client: TestClient) -> TestClient:
    """The client of somebody at a network address of their own."""
    return TestClient(client.app, client=("10.9.9.9", 50000), raise_server_exceptions=False)


@pytest.fixture
def ann(home: TestClient, article: Article) -> Headers:
    """A guest with a name and an e-mail that was only typed."""
    return bearer(said(home, article, "Zqxhello.", author=NAMED)["guest_token"])


@pytest.mark.both
def test_nothing_of_a_guest_remains(
    client: TestClient,
    home: TestClient,
    db: Database,
    article: Article,
    ann: Headers,
    admin: Headers,
    tmp_path: Path,
) -> None:
    bo = bearer(said(client, article, "I am Bo.", author={"name": "Bo"})["guest_token"])
    hook = {"url": "https://receiver.example", "events": ["*"]}
    ok(client.post("/v1/webhooks", json=hook, headers=admin), 201)
    ids = live(client, home, db, article, ann, bo, admin)
    worker_alone(client)  # what is told of it waits
    mine = stored(db, C, id=ids[0])[0]
    address, me = mine["address_hash"], mine["participant_id"]
    before = dump(db)
    assert before.lower().count("zqx") > 20
    assert address in before
    erase(client, ann)
    worker_alone(client)
    after = dump(db).lower()
    assert [line for line in after.splitlines() if "zqx" in line] == []
    assert backed_up(db, tmp_path).lower().count(b"zqx") == 0
    assert [line for line in after.splitlines() if me in line and not line.startswith("participant:")] == []
    assert address not in after
    (shell,) = stored(db, PARTICIPANT, id=me)
    assert {shell[name] for name in ("name", "email", "token_hash", "subject", "key_id", "author_id")} == {None}
    first, own, inline, lost, answer = (stored(db, C, id=one)[0] for one in ids)
    assert [row["address_hash"] for row in (first, own, inline, lost)] == [None] * 4
    assert {row["state"] for row in (first, own, inline, lost)} == {"removed"}
    assert (first["listed"], first["replies"], own["listed"], answer["replies"]) == (True, 1, False, 0)
    assert (answer["state"], answer["text"], answer["upvotes"]) == ("published", "Bo answers.", 0)
    (tally,) = stored(db, ARTICLE_TALLY, article_id=article["id"])
    assert (tally["comments"], tally["inline"], tally["reactions"]["agree"]) == (2, 0, 1)
    assert [row["participant_id"] for row in (*stored(db, VOTE), *stored(db, REACTION))] == [
        answer["participant_id"]
    ] * 2
    assert [item["id"] for item in queued(client, admin)] == [ids[4]]  # what Ann reported of Bo
    tree = ok(client.get(f"/v1/articles/{article['id']}/comments?replies=3"))["data"]
    (tombstone,) = [row for row in tree if row["id"] == ids[0]]
    assert (tombstone["state"], tombstone["author"], tombstone["text"]) == ("removed", None, None)
    assert [row["text"] for row in tombstone["first_replies"]["data"]] == ["Bo answers."]


def test_the_token_ends(client: TestClient, article: Article, ann: Headers) -> None:
    erase(client, ann)
    assert client.get("/v1/me/data", headers=ann).status_code == 401
    assert client.delete("/v1/me/data", headers=ann).status_code == 401
    url = f"/v1/articles/{article['id']}/comments"
    assert client.post(url, json={"text": "Again."}, headers=ann).status_code == 401
    answer = client.put(f"/v1/articles/{article['id']}/reaction", json={"value": "agree"}, headers=ann)
    assert answer.status_code == 401


def test_a_guest_is_told_all_of_theirs_and_nothing_else(
    client: TestClient,
    home: TestClient,
    db: Database,
    article: Article,
    ann: Headers,
    admin: Headers,
    tmp_path: Path,
) -> None:
    bo = bearer(said(client, article, "I am Bo.", author={**NAMED, "name": "Bo"})["guest_token"])
    ids = live(client, home, db, article, ann, bo, admin)
    found = data_of(client, ann)
    assert found["email"] is None
    assert [(row["name"], row["email"]) for row in found["participants"]] == [("Zqxname", EMAIL)]
    assert {row["id"] for row in found["comments"]} >= set(ids[:4])
    texts = {f"Zqx{word}." for word in ("hello", "first", "reply", "rejected")} | {"[…] and zqxname."}
    assert {row["source"] for row in found["comments"]} == texts
    assert [row["source"] for row in found["comment_revisions"]] == ["Zqxinline.", "Zqxlater and zqxname."]
    assert [(row["comment_id"], row["value"]) for row in found["votes"]] == [(ids[4], 1)]
    assert [row["value"] for row in found["reactions"]] == ["agree"]
    assert [row["text"] for row in found["reports"]] == ["Zqxreport."]
    assert [row["text"] for row in found["appeals"]] == ["Zqxappeal."]
    assert [row["exact"] for row in found["passages"]] == ["a time"]
    assert [(row["kind"], row["reason"]) for row in found["bans"]] == [("identity", "Zqxban.")]
    assert found["cut"] == []
    other = data_of(client, bo)  # the same e-mail, typed as well
    assert "Zqx" not in str([row["source"] for row in other["comments"]])
    assert data_of(client, guest(client))["comments"] == []


def test_strangers_and_tokens_that_are_nobody(client: TestClient, article: Article, admin: Headers) -> None:
    token = said(client, article, "Mine.")["edit_token"]
    for verb in (client.get, client.delete):
        assert verb("/v1/me/data").status_code == 401
        assert verb("/v1/me/data", headers=bearer(token)).status_code == 403
        assert verb("/v1/me/data", headers=admin).status_code == 403


def test_a_proven_e_mail_reaches_what_was_typed_under_it(
    client: TestClient, db: Database, article: Article, ann: Headers, admin: Headers, reader: Callable[..., Headers]
) -> None:
    me = reader("ann", name="Zqxreader", email=EMAIL, email_verified=True)
    other = reader("ann-at-work", name="Zqxwork", email=EMAIL, email_verified=True)
    said(client, article, "Zqxread.", me)
    said(client, article, "Zqxworked.", other)
    imported = participant(db, name="Zqximported", email=EMAIL)
    comment(db, article, "Zqxold.", state="published", participant_id=imported, email=EMAIL, author_name="Zqxold")
    cy = comment(db, article, "Of Cy.", state="published")
    told = {"reason": "spam", "text": "Zqxreport.", "email": EMAIL}
    ok(client.post(f"/v1/comments/{cy}/reports", json=told), 202)
    vote(client, ann, cy, 1)
    found = data_of(client, me)
    assert found["email"] == EMAIL
    words = {"Zqxread.", "Zqxworked.", "Zqxold.", "Zqxhello."}
    assert {row["source"] for row in found["comments"]} == words
    assert {row["name"] for row in found["participants"]} == {"Zqxreader", "Zqxwork", "Zqximported", "Zqxname"}
    assert [row["text"] for row in found["reports"]] == ["Zqxreport."]
    assert found["votes"] == []  # the guest's: that they typed the e-mail does not make them this reader
    erase(client, me)
    assert "zqx" not in dump(db).lower()
    assert stored(db, C, id=cy)[0]["upvotes"] == 1
    assert data_of(client, ann)["participants"][0]["name"] is None  # the guest goes on, under another name
    assert data_of(client, me)["participants"] == []
    erase(client, me)  # nothing is left to erase
    assert said(client, article, "Anew.", me)["author"]["name"] == "Zqxreader"


def test_what_was_taken_back_before_leaves_no_word_either(
    client: TestClient, home: TestClient, db: Database, article: Article, ann: Headers, admin: Headers
) -> None:
    one = said(home, article, "Zqxgone.", ann)["id"]
    told = {"reason": "abuse", "text": "They say zqxgone."}
    ok(client.post(f"/v1/comments/{one}/reports", json=told), 202)
    ok(client.post("/v1/bans", json={"kind": "address", "comment_id": one, "reason": "Zqxban."}, headers=admin), 201)
    decide(client, admin, one, "spam", reason="For zqxgone.")
    ok(home.post(f"/v1/comments/{one}/appeal", json={"text": "Zqxappeal."}, headers=ann), 201)
    ok(home.delete(f"/v1/comments/{one}", headers=ann), 204)
    assert not any(word in dump(db).lower() for word in ("zqxappeal", "learned_comment:")), "their own words"
    erase(home, ann)
    assert "zqx" not in dump(db).lower()
    assert stored(db, C, id=one)[0]["participant_id"] is None


@pytest.mark.parametrize("verified", [{}, {"email_verified": False}])
def test_an_e_mail_that_is_not_proven_reaches_nobody_else(
    client: TestClient, article: Article, ann: Headers, reader: Callable[..., Headers], verified: dict[str, Any]
) -> None:
    me = reader("mallory", name="Mallory", email=EMAIL, **verified)
    said(client, article, "Mine.", me)
    found = data_of(client, me)
    assert (found["email"], [row["source"] for row in found["comments"]]) == (None, ["Mine."])
    erase(client, me)
    assert [row["source"] for row in data_of(client, ann)["comments"]] == ["Zqxhello."]


def test_to_be_erased_lifts_no_ban(
    client: TestClient, db: Database, article: Article, admin: Headers, reader: Callable[..., Headers]
) -> None:
    me = reader("ann", name="Ann", email=EMAIL, email_verified=True)
    one = said(client, article, "Bad.", me)["id"]
    ok(client.post("/v1/bans", json={"kind": "identity", "comment_id": one, "reason": "Zqx."}, headers=admin), 201)
    erase(client, me)
    (ban,) = stored(db, BAN)
    assert (ban["kind"], ban["value"]) == ("email", hash_email(EMAIL))
    assert {ban[name] for name in ("participant_id", "comment_id", "reason")} == {None}
    url = f"/v1/articles/{article['id']}/comments"
    assert client.post(url, json={"text": "Again."}, headers=me).json()["code"] == "banned"


def test_an_erased_comment_cannot_be_brought_back(
    client: TestClient, db: Database, article: Article, ann: Headers, admin: Headers
) -> None:
    one = said(client, article, "Zqx.", ann)["id"]
    decide(client, admin, one, "remove")
    erase(client, ann)
    assert client.post(f"/v1/comments/{one}/restore", json={}, headers=admin).status_code == 409
    assert [row["action"] for row in stored(db, LOG, comment_id=one)] == ["remove"]


def test_a_list_that_is_cut_says_so(
    client: TestClient, article: Article, ann: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        said(client, article, f"Number {number}.", ann)
    assert data_of(client, ann)["cut"] == []
    monkeypatch.setattr(personal, "MAX_ENTRIES", 2)
    found = data_of(client, ann)
    assert (found["cut"], len(found["comments"])) == (["comments"], 2)


def test_reports_of_others_lose_only_their_words(
    client: TestClient, db: Database, article: Article, ann: Headers
) -> None:
    one = said(client, article, "Zqx.", ann)["id"]
    bo = guest(client)
    told = {"reason": "abuse", "text": "They say zqx.", "email": "bo@site.example"}
    ok(client.post(f"/v1/comments/{one}/reports", json=told, headers=bo), 202)
    erase(client, ann)
    (row,) = stored(db, REPORT)
    assert (row["text"], row["email"], row["reason"]) == (None, None, "abuse")
    assert row["participant_id"] is not None
