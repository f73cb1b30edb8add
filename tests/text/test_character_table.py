import pytest

from app.text import character_table
from app.text.character_table import CharacterTable


def test_a_table_folds_each_character_once_and_never_outgrows_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(character_table, "MAX_CHARACTERS", 3)
    folded: list[str] = []
    table = CharacterTable(lambda char: folded.append(char) or char.upper())
    assert "abab".translate(table) == "ABAB"
    assert folded == ["a", "b"]
    assert "abcde".translate(table) == "ABCDE"
    assert len(table) <= 3
