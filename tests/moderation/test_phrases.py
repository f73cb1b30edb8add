"""Phrases: how they are found whatever they are dressed in, and who writes the list."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from app.moderation import phrases as phrases_module
from app.moderation.text_analysis import PhraseMatch, Phrases, fold_text
from tests.make import Headers, ok, section

pytestmark = pytest.mark.portable

URL = "/v1/moderation/phrases"


def finds(phrase: str, text: str, match: PhraseMatch = "word", links: tuple[str, ...] = ()) -> bool:
    """Whether a phrase is found."""
    return bool(Phrases([("1", phrase, match, "hold")]).find(text, "", links))


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("viagra", "Buy viagra now"),
        ("viagra", "VIAGRA"),
        ("Viagra", "vi\u0430gra"),  # a Cyrillic a
        ("viagra", "v\u0456\u0430gr\u0430!"),
        ("viagra", "v1agr4"),
        ("viagra", "vi\u200bag\u00adra"),  # an invisible space, a soft hyphen
        ("viagra", "ⓥⓘⓐⓖⓡⓐ and ｖｉａｇｒａ"),
        ("viagra", "vïágrà"),
        ("viagra", "v i a g r a"),
        ("viagra", "so: v.i.a.g.r.a, yes"),
        ("viagra", "vi\u0301a\u0308gra"),
        ("cheap pills", "Cheap,\n pills"),
        ("cheap-pills", "cheap pills"),
        ("cheap pills", "*cheap* – pills"),
        ("дурак", "Дурак!"),
        ("λόγος", "ΛΟΓΟΣ"),
        ("笨蛋", "笨蛋"),
        ("modern times", "modem times"),
        ("c++ and c#", "c and c"),
    ],
)
def test_a_phrase_is_found_in_any_dress(phrase: str, text: str) -> None:
    assert finds(phrase, text)
    assert finds(phrase, f"Before it {text} after it")


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("viagra", "via grand canal"),
        ("via", "viaduct"),
        ("cheap pills", "cheap blue pills"),
        ("cheap pills", "cheap"),
        ("pen is", "penis"),
        ("ass", "class and assembly"),
    ],
)
def test_a_word_is_a_whole_word(phrase: str, text: str) -> None:
    assert not finds(phrase, text)


def test_a_text_may_be_part_of_a_word() -> None:
    assert finds("casino", "bestcasinos4u", "text")
    assert not finds("casino", "best cas inos", "text")
    assert finds("笨蛋", "你这个笨蛋啊", "text")  # without spaces every word is part of another
    found = Phrases([("1", "笨蛋", "text", "hold"), ("2", "casino", "text", "hold")]).find("笨蛋 casinos", "", ())
    assert {phrase.id for phrase in found} == {"1", "2"}


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("https://bad.example/x?y=z", True),
        ("https://www.bad.example", True),
        ("https://bad.example.org", True),
        ("https://xn--bd-yia.example/", True),  # with an ä
        ("https://good.example/?to=bad.example", True),
        ("https://notbad.example", False),
        ("https://bad.org/example", False),
        ("https://[::1", False),
    ],
)
def test_hosts_of_links(link: str, found: bool) -> None:
    assert finds("bad.example", "Look here", links=(link,)) is found


def test_nothing_is_found_across_what_stands_apart() -> None:
    phrases = Phrases([("1", "cheap pills", "word", "hold")])
    assert phrases.find("cheap", "pills", ()) == []
    assert phrases.find("all of it cheap", "pills", ("https://pills.example",)) == []
    assert [found.id for found in phrases.find("x", "Cheap Pills", ())] == ["1"]


WORDS = st.lists(st.text("abcrnvwßéдґ笨", min_size=2, max_size=5), min_size=1, max_size=4).map(" ".join)


@given(WORDS, WORDS, WORDS)
@settings(derandomize=True, max_examples=200)
def test_what_stands_in_a_text_is_found(before: str, after: str, phrase: str) -> None:
    for match in ("word", "text"):
        assert finds(phrase, f"{before}, {phrase.upper()} – {after}", match)
        assert finds(phrase, phrase, match)


@given(st.text(max_size=60))
@settings(derandomize=True, max_examples=200)
def test_folding_leaves_letters_and_single_spaces(text: str) -> None:
    found = fold_text(text)
    assert found[0] == found[-1] == " "
    assert all(word.isalnum() for word in found.split())
    assert "  " not in found.strip()


def add(client: TestClient, headers: Headers, status: int = 201, **body: Any) -> dict[str, Any]:
    """A phrase."""
    return ok(client.post(URL, json=body, headers=headers), status)


def test_the_list_is_kept(client: TestClient, moderator: Headers) -> None:
    made = add(client, moderator, text="  Viagra ", note="Pills.")
    assert (made["text"], made["match"], made["action"], made["note"]) == ("Viagra", "word", "hold", "Pills.")
    url = f"{URL}/{made['id']}"
    answer = client.get(url, headers=moderator)
    assert ok(answer) == made
    headers = {**moderator, "If-Match": answer.headers["etag"]}
    changed = ok(client.patch(url, json={"action": "spam", "note": None}, headers=headers))
    assert (changed["action"], changed["note"], changed["version"]) == ("spam", None, 2)
    assert client.patch(url, json={"action": "hold"}, headers=headers).status_code == 412
    assert client.delete(url, headers=moderator).status_code == 428
    add(client, moderator, text="casino", match="text", action="reject")
    assert [row["text"] for row in ok(client.get(URL, headers=moderator))["data"]] == ["casino", "Viagra"]
    for query, text in (("action=reject", "casino"), ("match=word", "Viagra")):
        (found,) = ok(client.get(f"{URL}?{query}", headers=moderator))["data"]
        assert found["text"] == text
    ok(client.delete(url, headers={**moderator, "If-Match": "*"}), 204)
    assert client.get(url, headers=moderator).status_code == 404
    assert client.delete(url, headers={**moderator, "If-Match": "*"}).status_code == 404


def test_a_patch_that_changes_nothing(client: TestClient, moderator: Headers) -> None:
    made = add(client, moderator, text="Viagra")
    headers = {**moderator, "If-Match": "*"}
    assert ok(client.patch(f"{URL}/{made['id']}", json={"text": "Viagra"}, headers=headers)) == made


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "x"},
        {"text": "!?"},
        {"text": "…–"},
        {"text": "a" * 201},
        {"text": "ab", "match": "text"},
        {"text": "viagra", "match": "regex"},
        {"text": "viagra", "action": "burn"},
    ],
)
def test_what_is_no_phrase(client: TestClient, moderator: Headers, body: dict[str, Any]) -> None:
    add(client, moderator, 422, **body)
    assert ok(client.get(URL, headers=moderator))["data"] == []


def test_a_word_does_not_become_a_part_that_is_too_short(client: TestClient, moderator: Headers) -> None:
    made = add(client, moderator, text="ab")
    headers = {**moderator, "If-Match": "*"}
    assert client.patch(f"{URL}/{made['id']}", json={"match": "text"}, headers=headers).status_code == 422
    assert ok(client.get(f"{URL}/{made['id']}", headers=moderator)) == made


def test_there_is_a_most(client: TestClient, moderator: Headers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases_module, "MAX_PHRASES", 1)
    add(client, moderator, text="one")
    assert add(client, moderator, 409, text="two")["code"] == "too_many_phrases"


def test_only_moderators_of_everything_write_the_list(
    client: TestClient, editor: Headers, moderator: Headers, make_key: Callable[..., Headers]
) -> None:
    url = f"{URL}/{add(client, moderator, text='viagra')['id']}"
    limited = make_key("comments:moderate", sections=[section(client, editor, "Sport")["id"]])
    for headers, status in (({}, 401), (editor, 403), (limited, 403)):
        add(client, headers, status, text="casino")
        some = {**headers, "If-Match": "*"}
        assert client.patch(url, json={"text": "x1"}, headers=some).status_code == status
        assert client.delete(url, headers=some).status_code == status


def test_many_phrases_are_added_at_once(client: TestClient, moderator: Headers) -> None:
    first = ok(client.post(URL, json={"text": "cheap pills", "action": "spam"}, headers=moderator), 201)
    sent = [{"text": "cheap pills"}, {"text": "bags", "match": "text"}, {"text": "Bags"}, {"text": "Bags"}]
    made = ok(client.post(f"{URL}/bulk", json={"phrases": sent}, headers=moderator))["data"]
    assert [(row["text"], row["match"]) for row in made] == [("bags", "text"), ("Bags", "word")]
    listed = ok(client.get(URL, headers=moderator))["data"]
    assert {row["id"] for row in listed} == {first["id"], *(row["id"] for row in made)}
    assert ok(client.get(f"{URL}/{first['id']}", headers=moderator))["action"] == "spam"


def test_many_phrases_are_added_whole_or_not_at_all(
    client: TestClient, moderator: Headers, editor: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [{"text": f"word {n}"} for n in range(3)]
    for bad, pointer in (({"text": "ab", "match": "text"}, "/phrases/3/text"), ({"text": ""}, "/phrases/3/text")):
        answer = client.post(f"{URL}/bulk", json={"phrases": [*good, bad]}, headers=moderator)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    for phrases in ([], [{"text": f"word {n}"} for n in range(501)]):
        assert client.post(f"{URL}/bulk", json={"phrases": phrases}, headers=moderator).status_code == 422
    assert client.post(f"{URL}/bulk", json={"phrases": good}, headers=editor).status_code == 403
    monkeypatch.setattr(phrases_module, "MAX_PHRASES", 2)
    answer = client.post(f"{URL}/bulk", json={"phrases": good}, headers=moderator)
    assert answer.json()["code"] == "too_many_phrases"
    assert ok(client.get(URL, headers=moderator))["data"] == []
