"""Names that everybody sees."""

import pytest
from pydantic import TypeAdapter, ValidationError

from app.text.names import PersonName, is_office, public_name, strip_bidi_controls

NAME: TypeAdapter[str] = TypeAdapter(PersonName)
TURNS = [*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f", "\u061c"]


@pytest.mark.parametrize("turn", [*TURNS, "\ufeff", "\u200b"])
def test_what_turns_a_line_around_is_taken_out(turn: str) -> None:
    assert NAME.validate_python(f"Zoë {turn}") == "Zoë"
    assert NAME.validate_python(f"{turn}Zoë{turn}Q") == "ZoëQ"
    assert public_name(f"Zoë{turn} ") == "Zoë"
    with pytest.raises(ValidationError):
        NAME.validate_python(turn)


def test_what_scripts_and_pictures_need_stays() -> None:
    for name in ("می‌خواهم", "👩‍🚀 Ada", "עברית", "क्‍ष", "O’Neil-Smith"):
        assert NAME.validate_python(name) == public_name(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ida@example.org", "ida"),
        ("Ida <ida.b+news@mail.example.org>", "Ida <ida.b>"),
        ("ida＠example。org", "ida"),
        ("write to ida@example.org, please", "write to ida, please"),
        ("i\u200bda@exam\u202eple.org", "ida"),
    ],
)
def test_an_address_does_not_show(name: str, shown: str) -> None:
    assert public_name(name) == shown
    with pytest.raises(ValidationError):
        NAME.validate_python(name)


def test_what_is_no_address_stays() -> None:
    for name in ("@ida", "Ida @ home", "a@b", "Ida"):
        assert NAME.validate_python(name) == public_name(name) == name


def test_long_names_are_read_fast() -> None:
    for name in ("a@" * 100, "a@a." * 50, "@" * 200, "a" * 200):
        assert public_name(name * 20)


@pytest.mark.parametrize(
    "name",
    [
        *("Editor", "editors", "The Moderator", "M0derator", "Аdmin", "ADMIN 1", "Editor-in-Chief", "Moderator Team"),
        *(
            "Die Redaktion",
            "Rédaction",
            "La redacción",
            "Администратор",
            "版主",
            "編集部",
            "편집장",
            "Admin_2",
            "E d i t o r",
        ),
    ],
)
def test_offices_are_nobodys_name(name: str) -> None:
    assert is_office(name)


@pytest.mark.parametrize(
    "name", ["Ida", "Edith Oram", "Admiral Ackbar", "Modesty", "Editha", "The Reader", "", "42", "…"]
)
def test_people_are_no_offices(name: str) -> None:
    assert not is_office(name)


def test_a_text_keeps_its_marks() -> None:
    assert strip_bidi_controls("a\u202eb\u2066c\u200f") == "abc\u200f"
