"""Highlights: HTML in which `<mark>` is the only markup, whatever stands in a text and whatever is asked."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.search.indexing import index_words
from app.search.questions import SNIPPET_LENGTH, extract_snippet, highlight, parse_question
from app.text.words import fold_text, list_words
from tests.flows.test_xss import VECTORS

MARKUP = re.compile("</?mark>")


def plain(shown: str) -> str:
    """What a reader sees."""
    return html.unescape(MARKUP.sub("", shown))


def marks(shown: str) -> list[str]:
    """What is marked."""
    return [html.unescape(part) for part in re.findall("<mark>(.*?)</mark>", shown, re.DOTALL)]


@pytest.mark.parametrize(
    ("text", "q", "found"),
    [
        ("Élections à Łódź", "elections lodz", ["Élections", "Łódź"]),
        ("The bridges of a bridge", "bridge", ["bridges", "bridge"]),
        ("Straße STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("The ferry left. A ferry came.", '"the ferry"', ["The ferry"]),
        ("The ferry left. A ferry came.", "„the ferry“", ["The ferry"]),
        ("Ferries and ferry-men", "ferr*", ["Ferries", "ferry"]),
        ("iPhone発売、東京都の橋", "京都 iphone発売", ["iPhone発売", "京都"]),
        ("a <b>bridge</b> & bridges", "bridge", ["bridge", "bridges"]),
        ("e\u0308cole cole", "ecole", ["e\u0308cole"]),
        ("ﬁlm film", "film", ["ﬁlm", "film"]),
        ("œ mer e\u0301", "mer", ["mer"]),  # folding makes one character two, and later two one
        ("Zusam\u00admen\u00adarbeit", "zusammenarbeit", ["Zusam\u00admen\u00adarbeit"]),
        ("zusammen\u200barbeit", "zusammen\u00adarbeit", ["zusammen\u200barbeit"]),
        ("unferry ferryman", "ferry", []),
        ("the ferry -", "-ferry", []),
    ],
)
def test_what_is_marked(text: str, q: str, found: list[str]) -> None:
    shown = highlight(text, parse_question(q), "en")
    assert marks(shown) == found
    assert plain(shown) == text


def inert(shown: str) -> None:
    """Marks open and close in turn, and nothing else is markup."""
    assert "".join(MARKUP.findall(shown)) == "<mark></mark>" * (len(MARKUP.findall(shown)) // 2)
    rest = MARKUP.sub("", shown)
    assert not set(rest) & set("<>\"'")
    assert not re.sub("&(amp|lt|gt|quot|#x27);", "", rest).count("&")


@pytest.mark.parametrize("vector", VECTORS)
def test_no_text_gets_out_of_its_quotes(vector: str) -> None:
    for q in ("script", "mark", "lt gt amp quot", "alert img x", vector[:300], f'"{vector}"', "m* ma* mark*"):
        for shown in (
            highlight(vector, parse_question(q), "en"),
            extract_snippet(f"{vector} {vector}", parse_question(q), "en"),
        ):
            inert(shown)
        assert plain(highlight(vector, parse_question(q), "en")) == vector


HOSTILE = st.text(st.sampled_from("<>&\"'/ abAmrk;#x27éßß\u0308東京都\u202eİıﬁ½\U0001f600\n\t*-"), max_size=80)


@settings(max_examples=150, deadline=None)
@given(
    text=HOSTILE | st.text(max_size=80),
    q=HOSTILE | st.text(max_size=30),
    language=st.sampled_from(["en", "fr", "xx", "ja"]),
)
def test_nothing_is_lost_or_added_but_marks(text: str, q: str, language: str) -> None:
    question = parse_question(q)
    shown = highlight(text, question, language)
    inert(shown)
    assert plain(shown) == text
    cut = extract_snippet(text, question, language)
    inert(cut)
    assert plain(cut).strip("…").strip() in " ".join(text.split())


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=60), language=st.sampled_from(["en", "de", "ru", "ar", "zh-Hant", "xx"]))
def test_what_is_indexed_is_what_a_question_looks_for(text: str, language: str) -> None:
    """The words of a text are among those that it is found by, and are weighed."""
    found = index_words(text, None, text, language)
    assert list_words(fold_text(text)) == list_words(text)
    assert all("\n" not in word and " " not in word and "'" not in word and "\\" not in word for word in found.text)
    for chunk in text.split()[:5]:
        question = parse_question(f'"{chunk.replace(chr(34), " ")}"')
        for term in question.required:
            assert set(term.words[:-1]) <= set(found.text)
            assert question.score(found.weights) > 0


def test_a_snippet_shows_the_place_with_the_most_words() -> None:
    text = "Nothing here. " * 40 + "The ferry reached the harbour. " + "Nothing there. " * 40 + "A ferry."
    shown = extract_snippet(text, parse_question("harbour ferry"), "en")
    assert marks(shown) == ["ferry", "harbour"]
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(plain(shown)) <= SNIPPET_LENGTH + 2
    assert extract_snippet("Short and without.", parse_question("ferry"), "en") == "Short and without."


def test_long_texts_and_words_are_bounded() -> None:
    many = " ".join(f"w{n}" for n in range(40_000))
    assert len(index_words("t", None, many, "en").text) <= 16_000
    wide = " ".join(chr(0x4E00 + n % 20_000) * 1 + "ä" * 30 + str(n) for n in range(14_000))
    found = index_words("t", None, wide, "en")
    assert len(found.weights.encode()) < 3_000_000
    assert max(map(len, list_words("x" * 500))) == 40
    assert parse_question("x" * 300).required[0].words == ("x" * 40,)
