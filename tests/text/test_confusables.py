"""Skeletons: names that look alike are alike, and others are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text import confusables
from app.text.confusables import skeleton


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("Ann Marlow", "ann  MARLOW"),
        ("Ann Marlow", "Ann-Marlow."),
        ("Ann Marlow", "Аnn Маrlоw"),  # Cyrillic
        ("Ann Marlow", "Αnn Μαrlοω"),  # Greek
        ("Oliver", "Oliνer"),
        ("Chris", "ϲhrίѕ"),
        ("Nina", "Νina"),
        ("Paul", "PauI"),
        ("Paul", "Pau1"),
        ("Paul", "Pаu|"),
        ("Ann Marlow", "Ánn Märlöw"),
        ("Ann Marlow", "A\u200bnn\u2060 \u00adMar\u202elow\u3164"),
        ("Ann Marlow", "Ａｎｎ　𝓜𝓪𝓻𝓵𝓸𝔀"),
        ("Ann Marlow", "Ann Ma\u0338rlow\u20dd"),
        ("Ann Marlow", "Ann Marl0w"),
        ("Ann Marlow", "Ann Marl०w"),
        ("Emma Bern", "Ernrna Bem"),
        ("Will", "VViII"),
        ("Søren Łukasz", "Soren Lukasz"),
        ("Straße", "STRASSE"),
        ("Æsop", "aesop"),
        ("Иван", "иВАН"),
        ("Café", "Cafe\u0301"),
    ],
)
def test_what_looks_alike_is_alike(name: str, like: str) -> None:
    assert skeleton(name) == skeleton(like) != ""


@pytest.mark.parametrize(("name", "other"), [("Ann", "Anna"), ("Ann Marlow", "Ann Barlow"), ("王伟", "王芳")])
def test_other_names_are_others(name: str, other: str) -> None:
    assert skeleton(name) != skeleton(other)


@pytest.mark.parametrize("name", ["", " ", "…!?", "\u200b", "\u3164", "🎈"])
def test_what_has_no_letter_is_like_nothing(name: str) -> None:
    assert skeleton(name) == ""


def test_a_name_that_grows_is_cut() -> None:
    assert len(skeleton("\ufdfa" * 200)) == confusables.MAX_SKELETON_LENGTH


@pytest.mark.parametrize("name", ["Νίκη", "ΝΊΚΗ", "νίκη"])
def test_greek_is_known_in_any_case(name: str) -> None:
    assert skeleton("Νίκη") in confusables.skeletons(name)


@given(st.text(max_size=50))
def test_letter_case_marks_and_spaces_never_matter(name: str) -> None:
    found = skeleton(name)
    assert found == skeleton(f" {name}\u0301 ") == skeleton(name.replace("", "\u200b"))
    assert len(found) <= confusables.MAX_SKELETON_LENGTH
    assert skeleton(found) == found


def test_no_character_is_listed_for_two_letters() -> None:
    looks = "".join(confusables._READ_AS.values())
    assert len(looks) == len(set(looks))


@pytest.mark.parametrize(
    ("letters", "plain"),
    [
        ("аàαɑａ𝒂", "a"),
        ("ЬВвβΒƃ", "b"),
        ("НнΗһħ", "h"),
        ("КкΚκᴋƙⲕ", "k"),
        ("ӏІіΙιıɪ∣ǀ|", "l"),
        ("оОоΟοσѳѲөӨΘθФфОО０𝟎〇", "o"),
        ("ТтΤτᴛŦᎢꓔⲦ", "t"),
    ],
)
def test_letters_of_every_script_have_the_skeleton_of_what_they_look_like(letters: str, plain: str) -> None:
    assert {skeleton(letter) for letter in letters} == {plain}
