"""What an editor's first screen asks: every state, what was edited last and by whom, and words in drafts."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.identity import keys
from app.identity.schemas import SYSTEM
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SORTS = ("-edited_at", "edited_at", "-created_at", "created_at")


def titles(client: TestClient, query: str, headers: Headers) -> list[str]:
    """What a list holds, which counts itself and says the same in pages of one."""
    rest = f"/v1/articles?{query}&count=exact&fields=title"
    page = make.ok(client.get(rest, headers=headers))
    names = [row["title"] for row in page["data"]]
    assert page["page"]["total"] == len(names)
    paged, cursor = [], ""
    while cursor is not None:
        part = make.ok(client.get(f"{rest}&limit=1{cursor}", headers=headers))
        paged += [row["title"] for row in part["data"]]
        cursor = part["page"]["next"] and f"&cursor={part['page']['next']}"
    assert paged == names
    return names


def test_what_was_edited_last_comes_first(client: TestClient, editor: Headers) -> None:
    one = make.published(client, editor, "One")
    make.draft(client, editor, "Two")
    make.published(client, editor, "Three")
    make.patched(client, editor, one, title="Uno")
    assert titles(client, "state=any&sort=-edited_at", editor) == ["One", "Three", "Two"]
    assert titles(client, "sort=edited_at", editor) == ["Two", "Three", "One"]
    assert titles(client, "sort=-created_at", editor) == ["Three", "Two", "One"]
    assert titles(client, "state=published&sort=-edited_at", editor) == ["One", "Three"]
    assert titles(client, "state=all", editor) == titles(client, "state=any", editor)
    assert titles(client, "changed=true", editor) == ["One"]
    assert titles(client, "changed=false&sort=-created_at", editor) == ["Three", "Two"]
    assert titles(client, "changed=true&state=draft", editor) == []
    make.act(client, editor, one, "publish")
    assert titles(client, "changed=true", editor) == []
    edited = make.ok(client.get("/v1/articles/one", headers=editor))["editing"]["edited_at"]
    assert edited > make.ok(client.get("/v1/articles/three", headers=editor))["editing"]["edited_at"]


def test_whoever_saved_a_text_is_an_editor_of_it(client: TestClient, db: Database, editor: Headers) -> None:
    with db.transaction() as session:
        key_id, secret = keys.create_api_key(session, SYSTEM, "Zoë Night", ["content:read", "content:write"], None)
    night = {"Authorization": f"Bearer {secret}"}
    make.draft(client, night, "Hers")
    shared = make.draft(client, editor, "Shared")
    make.draft(client, editor, "Others")
    make.patched(client, night, shared, title="Shared by two")
    for value in (key_id, "Zoë Night"):
        assert titles(client, f"editor={value}&sort=-created_at", editor) == ["Shared by two", "Hers"]
        assert titles(client, f"editor={value}&q=hers", editor) == ["Hers"]
    problem = make.ok(client.get("/v1/articles?editor=Nobody+Here", headers=editor), 400)
    assert problem["errors"][0]["parameter"] == "editor"
    assert "Nobody" not in str(problem)


WORDS = {
    "q=lighthouse": ["Draft of fog", "Gone", "Public", "Saved"],
    "q=LIGHT*": ["Draft of fog", "Gone", "Public", "Saved"],
    "q=fog": ["Draft of fog"],
    "q=lighthouse -keeper": ["Draft of fog", "Public", "Saved"],
    'q="the keeper" lighthouse': ["Gone"],
    "q=lighthouse&state=draft": ["Draft of fog"],
    "q=lighthouse&state=published&changed=true": ["Saved"],
    "q=lighthouse&sort=-edited_at": ["Draft of fog", "Gone", "Public", "Saved"],
    "q=äpfel": ["Draft of fog"],
    "q=100%": ["Draft of fog"],
    "q=1_0": [],
    "q=nowhere": [],
}


def test_words_are_found_in_drafts_and_in_what_was_saved_since(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "Public", body={"markdown": "A lighthouse stands here."})
    saved = make.published(client, editor, "Saved", body={"markdown": "Nothing yet."})
    make.patched(client, editor, saved, body={"markdown": "A lighthouse comes."})
    make.draft(client, editor, "Draft of fog", body={"markdown": "ÄPFEL and 100% lighthouses."})
    gone = make.published(client, editor, "Gone", body={"markdown": "The keeper of the lighthouse."})
    make.act(client, editor, gone, "unpublish")
    for query, names in WORDS.items():
        rest = query if "state=" in query or "sort=" in query else f"{query}&state=any"
        assert sorted(titles(client, rest.replace("%", "%25"), editor)) == names, query
    assert [row["title"] for row in make.ok(client.get("/v1/articles?q=lighthouse"))["data"]] == ["Public"]


@pytest.mark.parametrize(
    "query", ["state=any", "changed=true", "changed=false", "editor=x", *(f"sort={s}" for s in SORTS)]
)
def test_only_who_reads_drafts_may_ask(client: TestClient, make_key: Callable[..., Headers], query: str) -> None:
    make.ok(client.get(f"/v1/articles?{query}"), 401)
    make.ok(client.get(f"/v1/articles?{query}", headers=make_key("comments:moderate")), 403)
    make.ok(client.get(f"/v1/articles?{query}&q=word"), 401)


def test_a_key_of_a_section_learns_nothing_of_others(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    own = make.section(client, editor, "Own")
    make.section(client, editor, "Other")
    limited = make_key("content:read", sections=[own["id"]])
    make.draft(client, editor, "Own draft", section="own", body={"markdown": "A secret."})
    make.draft(client, editor, "Other draft", section="other", body={"markdown": "A secret."})
    for section in ("own", "other"):
        article = make.published(client, editor, f"Live {section}", section=section)
        make.patched(client, editor, article, body={"markdown": "A secret."})
    moved = make.published(client, editor, "Moving", section="own")
    make.patched(client, editor, moved, section="other", body={"markdown": "A secret."})
    assert sorted(titles(client, "state=any&q=secret", limited)) == ["Live own", "Own draft"]
    assert sorted(titles(client, "changed=true", limited)) == ["Live own", "Moving"]
    assert sorted(titles(client, "sort=-edited_at", limited)) == ["Live own", "Moving", "Own draft"]
    assert sorted(titles(client, "editor=test key", limited)) == ["Live own", "Moving", "Own draft"]


def test_titles_and_names_stand_in_alphabetical_order(client: TestClient, editor: Headers) -> None:
    words = ["apple", "Äpfel", "Banana", "cherry", "éclair", "Öl", "Zebra"]
    expected = sorted(words, key=["Äpfel", "apple", "Banana", "cherry", "éclair", "Öl", "Zebra"].index)
    for word in reversed(words):
        make.published(client, editor, word, tags=[word])
        make.author(client, editor, word)
        make.section(client, editor, word)
        make.series(client, editor, word)
    assert titles(client, "sort=title", {}) == expected
    assert titles(client, "sort=-title", {}) == expected[::-1]
    for kind in ("authors", "sections", "series", "tags"):
        assert [row["name"] for row in make.ok(client.get(f"/v1/{kind}"))["data"]] == expected
        part = make.ok(client.get(f"/v1/{kind}?limit=3"))
        rest = make.ok(client.get(f"/v1/{kind}?limit=100&cursor={part['page']['next']}"))
        assert [row["name"] for row in part["data"] + rest["data"]] == expected
    make.ok(client.patch("/v1/sections/banana", json={"name": "Yam"}, headers={**editor, "If-Match": "*"}))
    assert make.ok(client.get("/v1/sections"))["data"][-2]["name"] == "Yam"


def test_preview_links_are_known_in_their_section_alone(
    client: TestClient, editor: Headers, make_key: Callable[..., Headers]
) -> None:
    own, other = make.section(client, editor, "Own"), make.section(client, editor, "Other")
    limited = make_key("content:write", sections=[own["id"]])
    for section, status in ((own, 200), (other, 404)):
        article = make.published(client, editor, f"In {section['name']}", section=section["id"])
        url = f"/v1/articles/{article['id']}/previews"
        make.ok(client.post(url, json={}, headers=editor), 201)
        assert len(make.ok(client.get(url, headers=editor))["data"]) == 1
        assert client.get(url, headers=limited).status_code == status
