"""Languages: every stemmer that is named is there, and tags that mean the same are one."""

import pytest
import snowballstemmer

from app.text.languages import STEMMERS, base_language_of, stem_word


def test_every_stemmer_is_there() -> None:
    assert set(STEMMERS.values()) <= set(snowballstemmer.algorithms())


@pytest.mark.parametrize(
    ("tag", "base"), [("en-GB", "en"), ("nb", "no"), ("NN-no", "no"), ("zh-Hant-TW", "zh"), ("x", "x")]
)
def test_a_tag_is_known_by_its_language(tag: str, base: str) -> None:
    assert base_language_of(tag) == base


def test_forms_of_a_word_have_one_stem() -> None:
    assert stem_word("en", "bridges") == stem_word("en", "bridge") != "bridges"
    assert stem_word("nb", "bilene") == stem_word("no", "bilene") != "bilene"
    assert stem_word("xx", "bridges") == "bridges", "without a stemmer a word is its own stem"
