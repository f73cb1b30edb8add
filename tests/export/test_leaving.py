"""Exports of everything: reading them back gives the same content."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pydantic_core
import pytest
import sqlalchemy as sa
from lxml import etree
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.articles.discussion_settings import find_posting_context
from app.articles.reading import ARTICLE, ARTICLE_AUTHOR, ARTICLE_TAG, AUTHOR, MEDIA, REVISION, SECTION, TAG
from app.cli import app as cli
from app.comments.reading import C
from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database, open_database
from app.events.log import find_last_position, find_settled_position
from app.export import everything
from app.export.everything import HISTORY
from app.export.wordpress_ids import ID_KEY
from app.export.wxr import order_by_parent
from app.identity.schemas import SYSTEM
from app.importers.wordpress.loader import import_wordpress
from app.main import create_app
from app.people.tables import Person
from app.publication.media_library import create_reference
from tests import make
from tests.kept_stores import Restore, keep_store

pytestmark = pytest.mark.portable

Headers = dict[str, str]
HOSTILE = '<b>&amp; ]]> "quoted" [gallery] 😀 שלום https://a.example/'
BODIES = [
    "<p>One line.</p><h2>Two &amp; three</h2><ul><li>a</li><li>b <em>c</em></li></ul>"
    "<blockquote><p>Said.</p></blockquote>",
    "<p>[gallery] and [caption]x[/caption], <code>[b]</code> ]]&gt; &lt;!-- wp:more --&gt;</p>"
    "<pre><code>a\n\n  b[c]</code></pre>",
    "<p>https://video.example/watch?v=1</p><p>Text<br>with a break.</p>"
    "<table><tr><th>h</th></tr><tr><td>d</td></tr></table>",
    '<p>See <a href="https://a.example/?a=1&amp;b=[2]">this</a>.</p><hr>'
    '<figure><img src="https://a.example/p.jpg" alt="A pier">'
    '<figcaption>The pier</figcaption></figure><pre><code class="language-css">a {\n}</code></pre>',
]


@pytest.fixture
def other(sqlite_template: Path, tmp_path: Path) -> Database:
    """Open another, empty store."""
    path = tmp_path / "other.db"
    shutil.copy(sqlite_template, path)
    return open_database(f"sqlite:///{path}")


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the command on the test's store."""
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("BROADSHEET_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("BROADSHEET_SITE_URL", settings.site_url)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["export", *arguments])

    return invoke


_KEPT: dict[str, tuple[dict[str, Any], Restore]] = {}


@pytest.fixture
def publication(
    database_url: str,
    settings: Settings,
    make_key: Callable[..., Headers],
    db: Database,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """A publication that has some of everything, made once for each database: it takes a hundred requests."""
    kind = database_url.partition(":")[0]
    if kind in _KEPT:
        made, restore = _KEPT[kind]
        restore(database_url)
        return made
    editor, admin = make_key("content:read", "content:write", "content:publish"), make_key("admin")
    with TestClient(create_app(settings, with_worker=False), raise_server_exceptions=False) as client:
        made = make_publication(client, editor, admin, db)
    _KEPT[kind] = (made, keep_store(database_url, tmp_path_factory.mktemp("publication")))
    return made


def make_publication(client: TestClient, editor: Headers, admin: Headers, db: Database) -> dict[str, Any]:
    with db.transaction() as session:
        image = create_reference(
            session, SYSTEM, "https://a.example/one.jpg", alt='A "pier" & boats', caption="At <six>"
        )
    make.section(client, editor, "World & Peace", description="Far\nand <wide>")
    make.section(client, editor, "Syria", parent="world-peace")
    make.author(client, editor, "Ann O'Hara & Son", slug="ann")
    make.author(client, editor, "Bo")
    make.ok(client.post("/v1/tags", json={"name": "Fog & <rain>", "description": "Wet."}, headers=editor), 201)
    common = {"section": "syria", "authors": ["bo"], "tags": ["fog-rain", "Ferries"], "image": image}
    shown = [
        make.published(client, editor, f"{HOSTILE} {n}", dek=f"{HOSTILE}\nTwo lines.", body={"html": html}, **common)
        for n, html in enumerate(BODIES)
    ]
    make.published(client, editor, "A page", type="page", featured=True, authors=["ann", "bo"])
    make.patched(client, editor, shown[0], slug="moved-here")
    make.draft(client, editor, "A draft")
    make.act(client, editor, make.published(client, editor, "Taken back"), "unpublish")
    make.act(client, editor, make.published(client, editor, "Wrong"), "retract", {"reason": "It was."})
    make.published(client, editor, "Early", rights={"embargoed_until": "2999-01-01T00:00:00Z"})
    make.published(client, editor, "Over", rights={"expires_at": "2001-01-01T00:00:00Z"})
    at = {"at": "2998-01-01T00:00:00Z"}
    coming = make.draft(client, editor, "Coming")
    make.ok(client.put(f"/v1/articles/{coming['id']}/schedule", json=at, headers={**editor, "If-Match": "*"}))
    first = make.comment(client, shown[1], "First *word*.\n\nAnd <b> & a second\nline.")
    reply = make.comment(client, shown[1], "Reply: https://a.example/x?a=1&b=2", parent_id=first["id"])
    make.comment(client, shown[1], "Below.", parent_id=reply["id"], author={"name": "Cy", "email": "cy@mail.example"})
    spam, gone = make.comment(client, shown[2], "Buy."), make.comment(client, shown[2], "Rude.")
    make.comment(client, shown[2], "Waits: https://a.example https://b.example https://c.example")
    for comment, verb in ((spam, "spam"), (gone, "remove")):
        make.ok(client.post(f"/v1/comments/{comment['id']}/{verb}", json={"reason": "So."}, headers=admin))
    make.ok(client.put(f"/v1/comments/{first['id']}/vote", json={"value": 1}, headers=make.guest(client)))
    shut = client.put(
        f"/v1/articles/{shown[3]['id']}/discussion", json={"state": "closed"}, headers={**admin, "If-Match": "*"}
    )
    make.ok(shut)
    make.notice(client, editor, scope="site", placement="both", text="All.")
    return {"shown": shown, "image": image, "first": first}


def held(db: Database) -> dict[str, Any]:
    """Return the content of a store that WXR can contain, by names that stay the same in an import."""
    with db.connect() as connection:

        def rows(query: Any) -> list[Any]:
            return [tuple(row) for row in connection.execute(query)]

        parent = SECTION.alias()
        terms = {
            "section": rows(
                sa.select(SECTION.c.slug, SECTION.c.name, SECTION.c.description, parent.c.slug)
                .select_from(SECTION.outerjoin(parent, parent.c.id == SECTION.c.parent_id))
                .order_by(SECTION.c.slug)
            ),
            "tag": rows(sa.select(TAG.c.slug, TAG.c.name, TAG.c.description).order_by(TAG.c.slug)),
            "author": rows(sa.select(AUTHOR.c.name).order_by(AUTHOR.c.name)),
            "media": rows(sa.select(MEDIA.c.url, MEDIA.c.alt, MEDIA.c.caption).order_by(MEDIA.c.url)),
        }
        found: dict[str, Any] = {}
        query = sa.select(ARTICLE, REVISION.c.html, SECTION.c.slug.label("section"), MEDIA.c.url).select_from(
            ARTICLE.join(REVISION, (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.revision))
            .outerjoin(SECTION, SECTION.c.id == ARTICLE.c.section_id)
            .outerjoin(MEDIA, MEDIA.c.id == ARTICLE.c.image_id)
        )
        for row in connection.execute(query).mappings():
            by = (
                sa.select(AUTHOR.c.name)
                .join(ARTICLE_AUTHOR, ARTICLE_AUTHOR.c.author_id == AUTHOR.c.id)
                .where(ARTICLE_AUTHOR.c.article_id == row["id"])
            )
            tags = sa.select(TAG.c.slug).join(ARTICLE_TAG, ARTICLE_TAG.c.tag_id == TAG.c.id)
            found[row["slug"]] = {
                **{name: row[name] for name in ("title", "dek", "featured", "public", "html", "section", "url")},
                "type": row["type"],
                "published_at": row["public"] and row["published_at"].replace(microsecond=0),
                "updated_at": row["public"] and row["updated_at"].replace(microsecond=0),
                "open": rules(connection, row["id"]).state == "open",
                "authors": rows(by.order_by(ARTICLE_AUTHOR.c.position))[:1],
                "tags": rows(tags.where(ARTICLE_TAG.c.article_id == row["id"]).order_by(ARTICLE_TAG.c.position)),
                "comments": sorted(threads(connection, row["id"])),
            }
        return {**terms, "articles": found}


def rules(connection: sa.Connection, article_id: str) -> Any:
    """Return the discussion rules of an article."""
    found = find_posting_context(connection, article_id)
    assert found is not None
    return found.rules


def threads(connection: sa.Connection, article_id: str) -> Iterator[tuple[Any, ...]]:
    """Return each comment with the texts of all comments above it."""
    rows = {row["id"]: row for row in connection.execute(sa.select(C).where(C.c.article_id == article_id)).mappings()}

    def above(row: Any) -> tuple[str, ...]:
        parent = rows.get(row["parent_id"])
        return (*above(parent), parent["text"]) if parent else ()

    for row in rows.values():
        said = (row["text"], row["author_name"], row["email"] or "") if row["state"] != "removed" else ()
        at = row["created_at"].replace(microsecond=0)
        yield (row["state"], above(row), said, at.isoformat(), row["upvotes"], row["featured"])


def test_wxr_comes_back_as_it_was(
    publication: dict[str, Any], db: Database, other: Database, run: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "export.xml"
    done = run("--format", "wxr", str(file))
    assert done.exit_code == 0, done.output
    report = import_wordpress(other, file)
    assert report.failures == 0, list(report.lines())
    report.close()
    before, after = held(db), held(other)
    assert after["articles"].keys() == before["articles"].keys()
    for slug, article in before["articles"].items():
        assert after["articles"][slug] == article, slug
    assert after == before
    with other.connect() as connection:
        states = dict(connection.execute(sa.select(ARTICLE.c.title, ARTICLE.c.state)).all())
        scheduled = dict(connection.execute(sa.select(ARTICLE.c.title, ARTICLE.c.scheduled_at)).all())
        former = connection.execute(sa.text("SELECT address FROM address WHERE address NOT LIKE '/%'")).scalars().all()
    assert {title: states[title] for title in ("A draft", "Taken back", "Wrong", "Early", "Over", "Coming")} == {
        "A draft": "draft",
        "Taken back": "draft",
        "Wrong": "draft",
        "Early": "scheduled",
        "Over": "draft",
        "Coming": "scheduled",
    }
    assert (scheduled["Early"].year, scheduled["Coming"].year) == (2999, 2998)
    assert len(former) == 1


def test_a_later_export_is_known_again(
    publication: dict[str, Any],
    client: TestClient,
    editor: Headers,
    admin: Headers,
    db: Database,
    other: Database,
    run: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Numbers differ between exports, so later imports recognise objects by their ids."""
    files = [tmp_path / name for name in ("one.xml", "two.xml", "three.xml")]
    assert run("--format", "wxr", str(files[0])).exit_code == 0
    first, *_, last = publication["shown"]
    draft = next(row for row in make.ok(client.get("/v1/articles?state=draft", headers=editor))["data"])
    make.ok(client.delete(f"/v1/articles/{draft['id']}", headers={**editor, "If-Match": "*"}), 204)
    with db.transaction() as session:
        early = create_reference(session, SYSTEM, "https://a.example/two.jpg")
    make.patched(client, editor, last, image=early)
    make.act(client, editor, last, "publish")
    make.comment(client, first, "A new word, under the oldest.")
    assert run("--format", "wxr", str(files[1])).exit_code == 0
    for file in files[:2]:
        report = import_wordpress(other, file)
        assert report.failures == 0, list(report.lines())
        report.close()
    before, after = held(db), held(other)
    assert after["articles"].pop("a-draft")["title"] == "A draft", "what is deleted here is not deleted elsewhere"
    for state in (before, after):  # an article that changes is changed there when the import changes it
        del state["articles"][last["slug"]]["updated_at"]
    assert after["articles"] == before["articles"]
    assert after["media"] == before["media"]


def test_wxr_is_well_formed_whatever_stands_in_it(
    client: TestClient, editor: Headers, db: Database, run: Callable[..., Any], tmp_path: Path
) -> None:
    article = make.published(client, editor, "Odd")
    with db.transaction() as session:  # as no input lets it in
        session.connection().execute(
            sa.update(ARTICLE).where(ARTICLE.c.id == article["id"]).values(title="A\x0b\ufffe]]>B")
        )
    file = tmp_path / "export.xml"
    assert run("--format", "wxr", str(file)).exit_code == 0
    assert etree.parse(file).findtext("channel/item/title") == "A]]&gt;B"


def test_ndjson_holds_everything_but_secrets(
    publication: dict[str, Any], client: TestClient, admin: Headers, db: Database, run: Callable[..., Any]
) -> None:
    columnist = {"role": "columnist", "name": "Columnist", "scopes": ["content:write"]}
    make.ok(client.post("/v1/roles", json=columnist, headers=admin), 201)
    ada = make.person(client, db, "Ada", columnist=["syria"])
    with db.transaction() as session:
        row = session.get_one(Person, ada.id)
        row.password_hash, row.totp_secret, row.recovery_hashes = "zqxpassword", "ZQXTOTP", ["zqxrecovery"]
    done = run()
    assert done.exit_code == 0, done.output
    data = done.stdout_bytes
    assert b"zqx" not in data.lower()
    lines = [json.loads(line) for line in data.splitlines()]
    head, tail = lines[0], lines[-1]
    assert (head["type"], head["data"]["format"]) == ("manifest", "broadsheet-archive")
    before = data[: data.rindex(b'{"type":"trailer"')]
    assert tail["data"] == {"count": len(lines) - 2, "sha256": hashlib.sha256(before).hexdigest()}
    kinds: dict[str, list[Any]] = {}
    for line in lines[1:-1]:
        kinds.setdefault(line["type"], []).append(line["data"])
    with db.connect() as connection:
        for kind, table in (
            ("article", ARTICLE),
            ("revision", REVISION),
            ("comment", C),
            ("section", SECTION),
            ("media", MEDIA),
        ):
            assert len(kinds[kind]) == connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        places = [
            "access_hash FROM person_session",
            "refresh_hash FROM person_session",
            "value FROM secret",
            "hash FROM api_key",
            "token_hash FROM participant",
            "address_hash FROM comment",
        ]
        found = [connection.execute(sa.text(f"SELECT {place}")).scalars().all() for place in places]
    secrets = [secret for rows in found for secret in rows if secret]
    assert len(secrets) > 3
    assert not any(secret.encode() in data for secret in secrets)
    (role,), (person,) = kinds["role"], kinds["person"]
    assert (role["slug"], role["scopes"]) == ("columnist", ["content:write"])
    assert (person["name"], person["email"], person["grants"][0]["role"]) == ("Ada", ada.email, "columnist")
    states = {row["title"]: row["state"] for row in kinds["article"]}
    assert (states["A draft"], states["Wrong"], states["Coming"]) == ("draft", "retracted", "scheduled")
    wrong = next(row for row in kinds["article"] if row["title"] == "Wrong")
    assert wrong["retraction"]["reason"] == "It was."
    shown = next(row for row in kinds["article"] if row["id"] == publication["shown"][0]["id"])
    live = make.ok(client.get(f"/v1/articles/{shown['id']}?formats=html,text,markdown,blocks", headers=admin))
    assert {name: shown[name] for name in live} == live
    assert {row["email"] for row in kinds["comment"]} >= {"cy@mail.example"}
    assert {row["state"] for row in kinds["comment"]} == {"published", "pending", "spam", "removed"}


def test_ndjson_holds_what_was_public_and_releases(
    client: TestClient, editor: Headers, db: Database, run: Callable[..., Any]
) -> None:
    headers = {**editor, "If-Match": "*"}
    old, new = make.published(client, editor, "Old"), make.draft(client, editor, "New")
    make.patched(client, editor, old, title="Changed", slug="changed")
    url = f"/v1/releases/{make.ok(client.post('/v1/releases', json={'name': 'Sunday'}, headers=editor), 201)['id']}"
    front = {"op": "front", "front": "home", "body": {"title": "Home", "blocks": [{"kind": "newest"}]}}
    items = [*({"op": "publish", "article": one["id"]} for one in (old, new)), front]
    make.ok(client.put(f"{url}/items", json={"items": items}, headers=headers))
    before = now()
    make.ok(client.post(f"{url}/publish", headers=headers))
    kinds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in HISTORY}
    for line in map(json.loads, run().stdout_bytes.splitlines()):
        if line["type"] in kinds:
            kinds[line["type"]].append(line["data"])
    assert [(row["name"], row["state"]) for row in kinds["release"]] == [("Sunday", "published")]
    assert sorted(row["op"] for row in kinds["release_item"]) == ["front", "publish", "publish"]
    assert [row["slug"] for row in kinds["front"]] == [row["slug"] for row in kinds["front_period"]] == ["home"]
    for moment in (before, now()):
        at = format_rfc3339(moment)
        shown = make.ok(client.get("/v1/articles", params={"as_of": at}, headers=editor))["data"]
        seen = [
            (row["article_id"], row["slug"], row["revision"])
            for row in kinds["article_period"]
            if datetime.fromisoformat(row["from_at"]) <= moment
            and (row["until_at"] is None or datetime.fromisoformat(row["until_at"]) > moment)
        ]
        assert sorted(seen) == sorted((row["id"], row["slug"], row["revision"]) for row in shown)
    with db.connect() as connection:
        for kind, table in HISTORY.items():
            rows = connection.execute(sa.select(table).order_by(table.c.id)).mappings()
            assert kinds[kind] == [json.loads(pydantic_core.to_json(dict(row))) for row in rows]
            assert kinds[kind]


def test_markdown_is_a_file_for_each_article(
    publication: dict[str, Any], client: TestClient, run: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    done = run("--format", "markdown", str(folder))
    assert done.exit_code == 0, done.output
    article = publication["shown"][1]
    head, front, text = (folder / "articles" / f"{article['slug']}.md").read_text("utf-8").split("---\n", 2)
    assert head == ""
    values = {name: json.loads(value) for name, _, value in (line.partition(": ") for line in front.splitlines())}
    live = make.ok(client.get(f"/v1/articles/{article['id']}?formats=markdown"))
    assert (values["title"], values["section"], values["tags"]) == (live["title"], "syria", ["fog-rain", "ferries"])
    assert text.strip() == live["body"]["markdown"].strip()
    comments = json.loads((folder / "comments" / f"{article['slug']}.json").read_text("utf-8"))
    assert [row["depth"] for row in comments] == [0, 1, 2]
    assert len(json.loads((folder / "section.json").read_text("utf-8"))) == 2
    assert len(list((folder / "articles").iterdir())) == 11


def test_an_export_is_of_one_moment_and_holds_up_nobody(client: TestClient, editor: Headers, db: Database) -> None:
    make.published(client, editor)
    with db.snapshot() as connection:
        before = everything.count_content(connection)
        article = make.published(client, editor)
        make.comment(client, article)
        assert everything.count_content(connection) == before == (1, 0)
        with db.connect() as other:
            assert everything.count_content(other) == (2, 1)
            assert find_settled_position(other) == find_last_position(other)  # readers of the log go on meanwhile
    with db.connect() as connection:
        assert everything.count_content(connection) == (2, 1)


def test_slugs_longer_than_file_names(
    client: TestClient, editor: Headers, run: Callable[..., Any], tmp_path: Path
) -> None:
    article = make.draft(client, editor, slug="ω" * 150)
    assert run("--format", "markdown", str(tmp_path / "site")).exit_code == 0
    assert [path.name for path in (tmp_path / "site" / "articles").iterdir()] == [f"{article['id']}.md"]


def test_nothing_is_overwritten_and_nothing_half_done_is_left(
    settings: Settings, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    markdown = ["--format", "markdown"]
    for arguments in ([str(there)], [*markdown, str(there)], markdown, [str(tmp_path / "a/b")]):
        assert run(*arguments).exit_code == 1
    assert there.read_text() == "mine"

    def fail(*_: Any) -> None:
        raise OSError("full")

    for form in ("wxr", "ndjson", "markdown"):
        monkeypatch.setattr(f"app.export.{form}.write_{form}", fail)
        assert run("--format", form, str(tmp_path / "new")).exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir() if "new" in path.name) == []


WP = "{http://wordpress.org/export/1.2/}"


def test_numbers_are_what_wordpress_takes(publication: dict[str, Any], run: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "export.xml"
    assert run("--format", "wxr", str(file)).exit_code == 0
    channel = etree.parse(file).getroot()[0]
    for kind in ("author_id", "term_id", "post_id", "comment_id"):
        numbers = [int(element.text or "") for element in channel.iter(f"{WP}{kind}")]
        assert len(numbers) == len(set(numbers)) > 1, kind
        assert 0 < min(numbers) <= max(numbers) < 2**31, kind
    replies = 0
    for item in channel.iter("item"):
        comments = {int(c.findtext(f"{WP}comment_id", "")): c for c in item.iter(f"{WP}comment")}
        for number, comment in comments.items():
            parent = int(comment.findtext(f"{WP}comment_parent", ""))
            replies += parent != 0
            assert parent == 0 or parent in comments
            assert parent < number
        times = [comments[number].findtext(f"{WP}comment_date_gmt", "") for number in sorted(comments)]
        assert times == sorted(times)
    assert replies == 2


def test_namespaces_are_declared_once_with_their_usual_prefixes(
    publication: dict[str, Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "export.xml"
    assert run("--format", "wxr", str(file)).exit_code == 0
    text = file.read_text("utf-8")
    assert [text.count(f"xmlns:{prefix}=") for prefix in ("wp", "content", "excerpt", "dc")] == [1, 1, 1, 1]
    assert text.count("xmlns") == 4
    for item in etree.parse(file).getroot()[0].iter("item"):
        is_dated = item.findtext(f"{WP}post_date_gmt") != "0000-00-00 00:00:00"
        assert is_dated == bool(item.findtext("pubDate"))


def test_local_times_are_those_of_the_publication(
    client: TestClient, editor: Headers, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_TIME_ZONE", "Asia/Tokyo")
    make.published(client, editor, published_at="2026-11-28T16:30:00Z")
    file = tmp_path / "export.xml"
    assert run("--format", "wxr", str(file)).exit_code == 0
    item = etree.parse(file).getroot()[0].find("item")
    assert item is not None
    assert item.findtext(f"{WP}post_date") == "2026-11-29 01:30:00"
    assert item.findtext(f"{WP}post_date_gmt") == "2026-11-28 16:30:00"
    assert item.findtext("pubDate") == "Sat, 28 Nov 2026 16:30:00 GMT"


def test_sections_follow_the_section_that_they_are_part_of(
    client: TestClient, editor: Headers, run: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("Leaf", "Branch", "Root"):
        make.section(client, editor, name)
    for child, parent in (("leaf", "branch"), ("branch", "root")):
        changed = client.patch(f"/v1/sections/{child}", json={"parent": parent}, headers={**editor, "If-Match": "*"})
        make.ok(changed)
    file = tmp_path / "export.xml"
    assert run("--format", "wxr", str(file)).exit_code == 0
    slugs = [element.text for element in etree.parse(file).getroot()[0].iter(f"{WP}category_nicename")]
    assert slugs == ["root", "branch", "leaf"]


def test_all_authors_are_there_where_several_wrote(
    client: TestClient, editor: Headers, run: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("Ann", "Bo"):
        make.author(client, editor, name)
    make.published(client, editor, authors=["bo", "ann"])
    file = tmp_path / "export.xml"
    assert run("--format", "wxr", str(file)).exit_code == 0
    labels = [e.get("nicename") for e in etree.parse(file).iter("category") if e.get("domain") == "author"]
    assert labels == ["cap-bo", "cap-ann"]


def test_every_item_and_comment_carries_its_id(
    publication: dict[str, Any], run: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "export.xml"
    assert run("--format", "wxr", str(file)).exit_code == 0
    root = etree.parse(file).getroot()
    keys = [e.getparent().findtext(f"{WP}meta_value") for e in root.iter(f"{WP}meta_key") if e.text == ID_KEY]
    shown = {article["id"] for article in publication["shown"]}
    assert shown | {publication["image"], publication["first"]["id"]} <= set(keys)
    assert len(keys) == len(set(keys)) == len(list(root.iter("item"))) + len(list(root.iter(f"{WP}comment")))


@pytest.mark.parametrize("seed", range(20))
def test_replies_follow_their_parents_whatever_the_clocks_say(seed: int) -> None:
    chance = random.Random(seed)
    rows = [{"id": str(n), "parent_id": str(chance.randrange(n)) if n and chance.random() < 0.8 else None}
            for n in range(50)]  # fmt: skip
    by_time = chance.sample(rows, len(rows)) if seed else rows
    given = [row["id"] for row in order_by_parent([*by_time, {"id": "x", "parent_id": "absent"}])]
    assert sorted(given) == sorted([*(row["id"] for row in rows), "x"]), seed
    assert all(given.index(row["parent_id"]) < given.index(row["id"]) for row in rows if row["parent_id"]), seed
    assert seed or given == [*(row["id"] for row in rows), "x"]
