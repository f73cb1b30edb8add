"""What a text is compared by."""

import random
from collections import Counter

import pytest

from app.related.analysis import LEAD_WORDS, SIGNATURE_BINS, TITLE_WEIGHT, analyze_text, estimate_similarity


def test_stems_without_the_words_that_say_nothing_and_the_title_five_times() -> None:
    found = analyze_text("en-GB", "Ferries", "The ferry crossed; she is crossing the Harbour in 2026, at 7.")
    assert found.language == "en"
    assert found.counts == {"ferri": 5 + 2, "cross": 4, "harbour": 2}
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
        ("th", "เรือไฟ ไป", {"เรือ": 1, "รือไ": 1, "ือไฟ": 1, "ไป": 1}),
        ("hi", "हिन्दी", {"हिन्द": 1}),
        ("ar", "ـــــ ـــ", {}),
        ("en", "don’t e-mail … 👍", {"mail": 1}),
        ("de", "Zusam\u00admen\u00adarbeit am Fluss\u200bufer", {"zusammenarbeit": 1, "flussuf": 1}),
        ("en", "", {}),
    ],
)
def test_each_language_by_what_is_known_of_it(tag: str, text: str, stems: dict[str, int]) -> None:
    assert analyze_text(tag, text, "").counts == {stem: TITLE_WEIGHT * number for stem, number in stems.items()}


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (
            "en",
            "Six minutes later, on Tuesday, eleven said: twenty percent of a million in September; what a difference",
        ),
        ("de", "Sechs Minuten später, am Dienstag, sagten elf: zwanzig Prozent einer Million im September"),
        ("fr", "Six minutes après, mardi, onze ont dit : vingt pour cent de deux millions en septembre"),
        ("es", "Seis minutos después, el martes, once dijeron: veinte millones en septiembre"),
        ("it", "Sei minuti dopo, martedì, undici hanno detto: venti milioni in settembre"),
        ("pt-BR", "Seis minutos depois, no domingo, onze disseram: vinte milhões em setembro"),
        ("nl", "Zes minuten later, op dinsdag, elf zeiden: twintig procent van een miljoen in september"),
        ("sv", "Sex minuter efter, på tisdag, elva sade: tjugo procent av en miljon i september"),
        ("da", "Seks minutter efter, tirsdag, elleve sagde: tyve procent af en million i september"),
        ("nb", "Seks minutter etter, tirsdag, elleve sa: tjue prosent av en million i september"),
        ("pl", "Sześć minut po, we wtorek: dwadzieścia procent, milion we wrześniu"),
        ("ru", "Шесть минут после, во вторник: двадцать процентов, миллион в сентябре"),
        ("tr", "Altı dakika sonra, salı: yirmi milyon, eylül"),
        ("id", "Enam menit setelah, selasa: dua puluh persen, sejuta? seratus juta, september"),
    ],
)
def test_numbers_and_times_say_nothing(tag: str, text: str) -> None:
    assert len(analyze_text(tag, "", text).counts) <= 2, analyze_text(tag, "", text).counts


def test_what_the_text_begins_with_counts_twice() -> None:
    found = analyze_text("en", "", "The harbour and the bridge. " + "Plum " * 100 + "quince").counts
    assert found == {"harbour": 2, "bridg": 2, "plum": 100 + LEAD_WORDS - 2, "quinc": 1}


def test_of_scripts_without_spaces_twice_as_many_pieces_are_the_beginning() -> None:
    text = "".join(chr(0x4E00 + at) for at in range(300))
    assert Counter(analyze_text("zh", "", text).counts.values()) == {2: 2 * LEAD_WORDS, 1: 299 - 2 * LEAD_WORDS}


def test_a_bounded_piece_of_a_long_text_is_looked_at() -> None:
    assert "end" not in analyze_text("en", "", "word " * 10_000 + "end").counts
    assert max(map(len, analyze_text("en", "", "x" * 500).counts)) == 40


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
    one, two = analyze_text("en", "A head", WIRE).signature, analyze_text("en", "Another head", other).signature
    assert (estimate_similarity(one, two) >= 0.5) == is_copy
    assert estimate_similarity(one, one) == estimate_similarity(two, two) == 1.0


def test_bins_are_compared_one_by_one() -> None:
    rng = random.Random(3)
    for _ in range(200):
        one, two = ([rng.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF)) for _ in range(SIGNATURE_BINS)] for _ in range(2))
        filled = [(a, b) for a, b in zip(one, two, strict=True) if a or b]
        first, second = (b"".join(value.to_bytes(2) for value in bins) for bins in (one, two))
        assert estimate_similarity(first, second) == sum(a == b for a, b in filled) / len(filled)
