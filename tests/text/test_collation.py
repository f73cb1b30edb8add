"""Alphabetical order by stored keys: as the Unicode Collation Algorithm has it, on both databases."""

import random
import unicodedata

import pytest
from starlette.testclient import TestClient

from app.text.collation import SORT_KEY, collation_key, key_bounds
from tests.make import ok

ORDERS = {
    "accents": "cote Cote coté côte côté coter",
    "swedish": "aal ål ånd åt az bö bok",
    "danish": "Odense oe øl ør os",
    "ligatures": "ad ae æ ǽ af",
    "german": "Strasse Straße Strassen",
    "polish": "lot łuk lza",
    "croatian": "dak đak dan",
    "icelandic": "dz ðe e z þa",
    "turkish": "iz ız j",
    "greek": "άλφα αμα έψιλον ζ ϊ ός οσα ω",
    "russian": "Елка ёлка ель Жук Ива иск итог йод йота кот",
    "ukrainian": "гусь ґанок дім ера єнот жук ива йод іва їжак кіт ящик",
    "belarusian": "утро уяць ўвага фата",
    "serbian": "дан ђак ећ изба јаје кум лук љубав мак ноћ њива тата ћук ум чар џеп шал",
    "macedonian": "дом ѓавол ера зора ѕвезда има тој ќерка умбра",
    "hebrew": "כל לך מלך מם נר",
    "japanese": "かき がき カク き",
    "digits": "1 10 2 9 a",
    "kinds": "_a +1 1 a",
}


@pytest.mark.parametrize("name", ORDERS)
def test_words_are_in_the_order_of_their_alphabet(name: str) -> None:
    words = ORDERS[name].split()
    shuffled = random.Random(name).sample(words, len(words))
    assert sorted(shuffled, key=collation_key) == words
    decomposed = [unicodedata.normalize("NFD", word) for word in shuffled]
    assert [unicodedata.normalize("NFC", word) for word in sorted(decomposed, key=collation_key)] == words


def test_what_is_no_letter_comes_first() -> None:
    words = ["", "a b", "a-b", "a$b", "a1", "ab", "бар"]
    assert sorted(set(words), key=collation_key) == words


def test_accents_decide_only_between_words_otherwise_alike() -> None:
    assert collation_key("ещё") < collation_key("ещё раз") < collation_key("ещёб")
    assert collation_key("все") < collation_key("всё") < collation_key("всея")
    assert collation_key("αυτα") < collation_key("αυτά") < collation_key("αυταρ")


def test_equal_names_have_keys_within_their_bounds() -> None:
    for name in ("ЁЛКА", "Йод", "Їжак", "Ⅳ", "Æon", "Straße", "ﬁn", "ŋ", "Ǽ"):
        low, high = key_bounds(name)
        for same in (name, name.lower(), name.upper(), unicodedata.normalize("NFD", name), f" {name} "):
            assert low <= collation_key(same) < high, same


def test_a_key_has_room_in_its_column() -> None:
    longest = max(len(collation_key(char * 200)) for char in "aåæјїẅΐ…㎯ﷺ")
    assert SORT_KEY.length is not None
    assert longest <= SORT_KEY.length


def test_databases_compare_keys_alike(client: TestClient, editor: dict[str, str]) -> None:
    names = [*ORDERS["russian"].split(), *ORDERS["danish"].split(), "Äpfel", "apple", "日本", "😀"]
    for number, name in enumerate(names):
        ok(client.post("/v1/tags", json={"name": name, "slug": f"t{number}"}, headers=editor), 201)
    listed = [tag["name"] for tag in ok(client.get("/v1/tags?sort=name&limit=100"))["data"]]
    assert listed == sorted(names, key=collation_key)
