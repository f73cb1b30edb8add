"""Text from outside is bounded, cleaned, cut and counted in one way everywhere."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.text import inputs


def accepts(kind, value):
    return TypeAdapter(kind).validate_python(value)


def refuses(kind, value):
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("bad", [0, 7, 0x0B, 0x1B, 0x7F, 0x85, 0x9F, 0xD800, 0xDFFF])
def test_clean_refuses_controls_and_surrogates_without_repeating_them(bad):
    with pytest.raises(ValueError, match="control characters") as caught:
        inputs.clean_text(f"secret{chr(bad)}")
    assert "secret" not in str(caught.value)


def test_clean_normalises():
    assert inputs.clean_text("e\u0301\r\nb\rc\td\n") == "é\nb\nc\td\n"


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0345\u0344", "\U0001d165\u0334"])
def test_clean_breaks_runs_of_marks_that_no_script_has(marks):
    """Normalising sorts each run in time by the square of its length."""
    usual, long = "a" + marks * 15, "a" + marks * 200
    assert inputs.clean_text(usual) == unicodedata.normalize("NFC", usual)
    cleaned = inputs.clean_text(long)
    assert inputs.clean_text(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned.count("\u034f") >= 12
    kept = unicodedata.normalize("NFD", cleaned.replace("\u034f", ""))
    assert sorted(kept) == sorted(unicodedata.normalize("NFD", long))


def test_marks_in_order_stay_as_they_are():
    assert inputs.clean_text("a" + "\u0323" * 500 + "\u0302" * 500) == "ậ" + "\u0323" * 499 + "\u0302" * 499


def test_all_marks_are_looked_at():
    marks = [chr(code) for code in range(0x110000) if unicodedata.combining(chr(code))]
    assert len(marks) > 900
    assert [mark for mark in marks if "\u034f" not in inputs.to_nfc(f"{mark}\u0334{mark}\u0345" * 16)] == []


@given(st.text())
def test_scrubbed_text_is_clean(value):
    scrubbed = inputs.scrub_text(value)
    assert inputs.clean_text(scrubbed) == scrubbed
    assert unicodedata.is_normalized("NFC", scrubbed)


def test_scrub_reads_c1_controls_as_windows_1252():
    assert inputs.scrub_text("it\x92s \x85 \x81\x00ok") == "it’s … ok"


def test_one_line_types_collapse_and_strip():
    assert accepts(inputs.Title, "  A\n\ttitle\u2028here ") == "A title here"
    assert accepts(inputs.Name, "Jean\u00a0: x") == "Jean\u00a0: x"


@pytest.mark.parametrize("empty", ["", "  ", "\n", "\u200b\u200d", "\u3164", "\u00a0"])
def test_titles_show_something(empty):
    refuses(inputs.Title, empty)
    refuses(inputs.Prose, empty)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        (inputs.Name, 200),
        (inputs.Title, 300),
        (inputs.Summary, 2000),
        (inputs.Prose, 10_000),
        (inputs.LongText, 1_000_000),
    ],
)
def test_limits(kind, limit):
    assert accepts(kind, "x" * limit) == "x" * limit
    refuses(kind, "x" * (limit + 1))
    refuses(kind, "a\x00b")
    refuses(kind, 5)
    assert TypeAdapter(kind).json_schema()["maxLength"] == limit


def test_texts_of_several_lines():
    assert accepts(inputs.Summary, " a\r\nb \n") == "a\nb"
    assert accepts(inputs.Summary, "") == ""
    assert accepts(inputs.LongText, "    code\n") == "    code\n"


@pytest.mark.parametrize("slug", ["a", "a-b", "2016-us-vote", "привет-мир", "हिन्दी", "日本", "é", "a" * 200])
def test_slugs(slug):
    assert accepts(inputs.Slug, slug) == slug
    assert accepts(inputs.Identifier, slug.upper()) == unicodedata.normalize("NFC", slug.upper().lower())


@pytest.mark.parametrize(
    "bad", ["", "-", "a--b", "-a", "a-", "a b", "a_b", "a/b", "..", "a.b", "%2e", "\u0301a", "a" * 201]
)
def test_what_is_no_slug(bad):
    refuses(inputs.Slug, bad)
    refuses(inputs.Identifier, bad)


def test_an_id_is_an_identifier_and_no_slug():
    name = "0199aa00-0000-7000-8000-0123456789AB"
    assert accepts(inputs.Identifier, name) == name.lower()
    refuses(inputs.Slug, name)


@pytest.mark.parametrize(
    ("given_tag", "tag"),
    [
        ("EN", "en"),
        ("pt-br", "pt-BR"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("de-1996", "de-1996"),
        ("en-x-us-ABCD", "en-x-us-abcd"),
    ],
)
def test_language_tags(given_tag, tag):
    assert accepts(inputs.LanguageTag, given_tag) == tag


@pytest.mark.parametrize(
    "bad", ["", "e", "en_GB", "en-", "-en", "1n", "en-toolongsubtag", "ｅｎ", "en-" + "abcdefgh-" * 5]
)
def test_what_is_no_language_tag(bad):
    refuses(inputs.LanguageTag, bad)


@pytest.mark.parametrize(
    "url", ["http://x", "https://example.org:8443/a?b=c#d", "HTTPS://EXAMPLE.ORG", "https://münchen.de/ü"]
)
def test_urls(url):
    assert accepts(inputs.HttpUrl, url) == url


@pytest.mark.parametrize(
    "bad",
    ["", "ftp://x", "javascript:alert(1)", "//x/y", "/x", "http://", "http:///x", "http://a b", "http://x:99999", "http://u:p@x",
     "http://x\\@y", "https://x/<y>", "http://[x", "https://x/" + "a" * 2048],
)  # fmt: skip
def test_what_is_no_url(bad):
    refuses(inputs.HttpUrl, bad)


def test_whole_numbers_are_bounded():
    assert accepts(inputs.Int63, 2**63 - 1) == 2**63 - 1
    refuses(inputs.Int63, 2**63)
    refuses(inputs.Int63, -1)


def test_schemas_show_patterns():
    assert "pattern" in TypeAdapter(inputs.Slug).json_schema()
    assert "pattern" in TypeAdapter(inputs.LanguageTag).json_schema()
    assert TypeAdapter(inputs.HttpUrl).json_schema()["format"] == "uri"


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("SYRIA: U.S. and Al-Qaeda to accept", "syria-u-s-and-al-qaeda-to-accept"),
        ("Don't  stop — ever!", "dont-stop-ever"),
        ("Straße Ærø Việt Łódź", "strasse-aero-viet-lodz"),
        ("Привет, мир", "привет-мир"),
        ("日本語 テスト", "日本語-テスト"),
        ("ﬁne ２", "fine-2"),
        ("!!!", "item"),
        ("\u3164\uffa0 \u115fa\u1160b", "a-b"),  # letters without a glyph
        ("0199aa00-0000-7000-8000-0123456789ab", "item-0199aa00-0000-7000-8000-0123456789ab"),
    ],
)
def test_slugify(title, slug):
    assert inputs.slugify(title) == slug


def test_a_long_slug_is_cut_between_words():
    assert inputs.slugify("the quick brown fox", max_length=12) == "the-quick"
    assert inputs.slugify("the quick brown fox", max_length=9) == "the-quick"
    assert inputs.slugify("x" * 30, max_length=9) == "x" * 9


@given(st.text(), st.integers(8, 80))
def test_slugify_makes_slugs(title, limit):
    slug = inputs.slugify(title, limit)
    assert accepts(inputs.Slug, slug) == slug
    assert len(slug) <= limit


@given(st.text(), st.integers(10, 60))
def test_an_excerpt_is_short_and_on_one_line(value, limit):
    cut = inputs.make_excerpt(value, limit)
    assert len(cut) <= limit
    assert "\n" not in cut
    assert cut == " ".join(value.split()) or cut.endswith("…")


def test_excerpts_end_at_words():
    assert inputs.make_excerpt("one two three four", 12) == "one two…"
    assert inputs.make_excerpt("one, two", 7) == "one…"
    assert inputs.make_excerpt("日本語" * 10, 10) == "日本語日本語日本語…"
    assert inputs.make_excerpt("aaaaaaaa👩\u200d👩\u200d👧", 11) == "aaaaaaaa…"
    assert inputs.make_excerpt("short") == "short"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", 0),
        ("one", 1),
        ("don't stop—ever", 3),
        ("— • …", 0),
        ("日本語 text", 4),
        ("हिन्दी में", 2),
        ("1,324 of 3.5", 3),
        ("and/or", 2),
    ],
)
def test_words(value, words):
    assert inputs.count_words(value) == words


@pytest.mark.parametrize(("words", "minutes"), [(0, 0), (1, 1), (238, 1), (540, 2), (2380, 10)])
def test_reading_time(words, minutes):
    assert inputs.reading_minutes(words) == minutes
