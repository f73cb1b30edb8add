"""What a text is compared by."""

import pytest

from app.related.texts.analysis import analyse, likeness


def test_stems_without_the_words_that_say_nothing_and_the_title_three_times() -> None:
    found = analyse("en-GB", "Ferries", "The ferry crossed; she is crossing the Harbour in 2026, at 7.")
    assert found.language == "en"
    assert found.counts == {"ferri": 4, "cross": 2, "harbour": 1}
    assert found.labels == {"ferri": "ferry", "cross": "crossed", "harbour": "Harbour"}


@pytest.mark.parametrize(
    ("tag", "text", "stems"),
    [
        ("de", "Die Häfen und der Hafen", {"haf": 2}),
        ("fr", "L’économie, les économies", {"économ": 2}),
        ("pt-BR", "As eleições e a eleição", {"eleiçõ": 1, "eleiçã": 1}),
        ("nb", "Havnen og havner", {"havn": 2}),
        ("ru", "Гавань и гавани", {"гаван": 2}),
        ("tlh", "Qapla' Qapla", {"qapla": 2}),  # no stemmer: words as they are
        ("zh-Hant", "香港島", {"香港": 1, "港島": 1}),
        ("ja", "フェリーとABC", {"フェ": 1, "ェリ": 1, "リー": 1, "ーと": 1, "abc": 1}),
        ("th", "เรือ", {"เร": 1, "รื": 1, "ือ": 1}),
        ("hi", "हिन्दी", {"हिन्द": 1}),
        ("en", "don’t e-mail … 👍", {"mail": 1}),
        ("en", "", {}),
    ],
)
def test_each_language_by_what_is_known_of_it(tag: str, text: str, stems: dict[str, int]) -> None:
    assert analyse(tag, "", text).counts == stems


def test_a_bounded_piece_of_a_long_text_is_looked_at() -> None:
    assert "end" not in analyse("en", "", "word " * 10_000 + "end").counts
    assert max(map(len, analyse("en", "", "x" * 500).counts)) == 40


WIRE = " ".join(f"word{n}" for n in range(300))


@pytest.mark.parametrize(
    ("other", "is_copy"),
    [
        (WIRE, True),
        (f"By our own reporter. {WIRE} More to come.", True),
        (" ".join(WIRE.split()[:220]), True),
        (WIRE.replace("word7 ", "another ").replace("word140 ", "change "), True),
        (" ".join(WIRE.split()[:60]) + " ".join(f"other{n}" for n in range(240)), False),
        (" ".join(reversed(WIRE.split())), False),
        ("", False),
    ],
)
def test_near_copies_are_told_from_the_rest(other: str, is_copy: bool) -> None:
    one, two = analyse("en", "A head", WIRE).signature, analyse("en", "Another head", other).signature
    assert (likeness(one, two) >= 0.5) == is_copy
    assert likeness(one, one) == likeness(two, two) == 1.0
