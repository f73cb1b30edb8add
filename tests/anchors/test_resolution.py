"""A passage is found again where it belongs, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.anchors.resolution import (
    MIN_FUZZY_LENGTH,
    MIN_SIMILARITY,
    Pair,
    Passage,
    Resolution,
    Text,
    compare_quotes,
    resolve_passage,
    trim_passage,
)
from app.blocks.convert import body_from_html
from app.blocks.flatten import map_blocks
from app.blocks.schemas import Block

FERRY = "The ferry to the island leaves at dawn, and nobody on the quay is ever awake enough to wave."
BAKER = "Her brother bakes the bread that the whole harbour eats, though he has not slept a full night since March."
COUNCIL = "The council promised a bridge in 1998, in 2006 and again last week, each time with the same drawing."
PRICE = "A ticket costs four euros on weekdays; on Sundays the captain decides, depending on the wind."


def body(*paragraphs: str, previous: list[Block] | None = None) -> list[Block]:
    return body_from_html("".join(f"<p>{text}</p>" for text in paragraphs), previous or ()).blocks


def text_of(blocks: list[Block]) -> Text:
    return Text("\n\n".join(block["text"] for block in blocks if block["text"]), tuple(map_blocks(blocks)))


def pair(old: list[str], new: list[str]) -> Pair:
    before = body(*old)
    return Pair(text_of(before), text_of(body(*new, previous=before)))


def find(texts: Pair, quote: str, nth: int = 0) -> tuple[Resolution, str | None]:
    start = -1
    for _ in range(nth + 1):
        start = texts.old.text.index(quote, start + 1)
    found = resolve_passage(texts, Passage(start, start + len(quote)))
    return found, None if found.start is None else texts.new.text[found.start : found.end]


def test_a_passage_moves_with_its_block() -> None:
    found, words = find(pair([FERRY, BAKER], ["Something new stands first.", FERRY, BAKER]), "has not slept")
    assert (found.state, found.method, words) == ("anchored", "shift", "has not slept")


def test_blocks_that_change_places_take_their_passages_along() -> None:
    texts = pair([FERRY, BAKER, COUNCIL], [COUNCIL, FERRY, BAKER])
    found, words = find(texts, "the same drawing")
    assert (found.state, found.start is not None and found.start < len(COUNCIL), words) == (
        "anchored",
        True,
        "the same drawing",
    )


def test_what_changes_around_a_passage_leaves_it_where_it_is() -> None:
    edited = FERRY.replace("leaves at dawn", "has left at dawn since the war")
    found, words = find(pair([FERRY], [edited]), "awake enough to wave")
    assert (found.state, found.method, words) == ("anchored", "diff", "awake enough to wave")


def test_a_passage_that_is_edited_is_followed_and_says_so() -> None:
    edited = COUNCIL.replace("again last week", "again last Friday")
    found, words = find(pair([COUNCIL], [edited]), "in 2006 and again last week, each time")
    assert (found.state, words) == ("changed", "in 2006 and again last Friday, each time")


def test_words_at_its_ends_may_be_replaced() -> None:
    edited = FERRY.replace("The ferry", "A ferry").replace("at dawn,", "at noon,")
    found, words = find(pair([FERRY], [edited]), "The ferry to the island leaves at dawn")
    assert (found.state, words) == ("changed", "A ferry to the island leaves at noon")


def test_a_quote_that_becomes_something_else_is_lost() -> None:
    edited = FERRY.replace("nobody on the quay is ever awake enough to wave", "by nine all of the fish has been sold")
    assert find(pair([FERRY], [edited]), "nobody on the quay is ever awake enough")[0].state == "orphaned"


def test_a_deleted_paragraph_loses_its_passages() -> None:
    assert find(pair([FERRY, BAKER, COUNCIL], [FERRY, COUNCIL]), "bakes the bread")[0].state == "orphaned"


def test_a_split_paragraph_keeps_them_in_both_halves() -> None:
    first, second = "The council promised a bridge in 1998, in 2006", "and again last week, each time with a drawing."
    texts = pair([f"{first} {second}", FERRY], [first, second, FERRY])
    for quote in ("promised a bridge", "each time with a drawing"):
        found, words = find(texts, quote)
        assert found.state in {"anchored", "moved"}
        assert words == quote


def test_merged_paragraphs_keep_them_all() -> None:
    texts = pair([FERRY, BAKER, COUNCIL], [FERRY + " " + BAKER, COUNCIL])
    for quote in ("leaves at dawn", "has not slept a full night", "a bridge in 1998"):
        assert find(texts, quote)[1] == quote


def test_a_sentence_taken_to_another_paragraph_is_found_there() -> None:
    sentence = "Nobody has ever asked the gulls."
    found, words = find(pair([f"{FERRY} {sentence}", PRICE], [FERRY, f"{PRICE} {sentence}"]), sentence)
    assert (found.state, words) == ("moved", sentence)


def test_one_of_several_that_say_the_same_is_told_by_what_stands_around_it() -> None:
    old = [f"Monday. {BAKER} He went. I cried.", f"Tuesday. {COUNCIL} He went. I laughed aloud."]
    new = [f"Monday, {BAKER} She sang. He went. I cried.", f"Tuesday! {COUNCIL} He went. I laughed aloud."]
    texts = pair(old, new)
    for nth, after in ((0, " I cried"), (1, " I laughed")):
        found, words = find(texts, "He went.", nth)
        assert words == "He went."
        assert found.end is not None
        assert texts.new.text[found.end :].startswith(after)


def test_nobody_guesses_which_of_two_alike_is_meant() -> None:
    lost = f"{FERRY} And so it goes."
    assert find(pair([lost, PRICE], [f"{PRICE} And so it goes. x. And so it goes."]), "And so it goes")[0].state == (
        "orphaned"
    )


def test_a_short_word_that_stands_elsewhere_is_not_what_was_meant() -> None:
    texts = pair([FERRY, COUNCIL], [COUNCIL.replace("drawing", "island")])
    assert find(texts, "island")[0].state == "orphaned"
    assert find(pair(["The art of it."], ["They gave a party there."]), "art")[0].state == "orphaned"


def test_alike_words_elsewhere_are_found_if_their_surroundings_are_alike() -> None:
    old = f"{BAKER} The committee met on Tuesday behind closed doors. {PRICE}"
    new = f"{COUNCIL} {COUNCIL} {BAKER} The committee met on Thursday behind closed doors. {PRICE}"
    texts = Pair(text_of(body(old)), text_of(body(FERRY, new)))  # no block of the old text is known
    found, words = find(texts, "The committee met on Tuesday behind closed doors")
    assert (found.state, found.method) == ("changed", "fuzzy")
    assert words == "The committee met on Thursday behind closed doors"


def test_what_was_lost_is_found_when_it_returns() -> None:
    first = body(FERRY, BAKER)
    second = body(FERRY, previous=first)
    third = body(FERRY, BAKER, previous=second)
    start = text_of(first).text.index("the bread")
    passage = Passage(start, start + 9)
    assert resolve_passage(Pair(text_of(first), text_of(second)), passage).state == "orphaned"
    found = resolve_passage(Pair(text_of(first), text_of(third)), passage)
    assert (found.start, found.end) == (start, start + 9)


def test_a_passage_over_two_paragraphs() -> None:
    quote = "enough to wave.\n\nHer brother"
    assert find(pair([FERRY, BAKER], [COUNCIL, FERRY, BAKER]), quote)[1] == quote


@pytest.mark.parametrize(
    ("old", "new", "quote"),
    [
        (
            "今天的渡船在黎明时分离开码头，没有人来送行。",
            "昨天的渡船在黎明时分离开码头，没有人来送行。",
            "黎明时分离开码头",
        ),
        ("غادرت العبارة عند الفجر ولم يلوح لها أحد.", "لقد غادرت العبارة عند الفجر ولم يلوح لها أحد.", "عند الفجر"),
        ("We laughed 👩‍👩‍👧 all night 🌊 long.", "We all laughed 👩‍👩‍👧 all night 🌊 long.", "👩‍👩‍👧 all night 🌊"),
        ("Ils ont pre\u0301dit la pluie hier.", "Hier ils ont pre\u0301dit la pluie hier.", "pre\u0301dit la"),
        ("नाव सुबह निकलती है और कोई नहीं देखता।", "छोटी नाव सुबह निकलती है और कोई नहीं देखता।", "सुबह निकलती है"),
    ],
)
def test_every_script_is_found(old: str, new: str, quote: str) -> None:
    texts = Pair(Text(old, tuple(_one(old))), Text(new, tuple(_one(new))))
    found, words = find(texts, quote)
    assert (found.state, words) == ("anchored", quote)


def _one(text: str) -> list:
    return map_blocks([{"id": "b1", "type": "paragraph", "text": text, "marks": []}])


WORDS = st.sampled_from(
    [
        "غادرت",
        "العبارة",
        "pre\u0301dit",
        *"the ferry leaves at dawn and nobody waves; a bridge. in 1998, again".split(),
        "今天",
        "渡",
        "船",
        "🌊",
        "👩‍👩‍👧",
    ]
)
PARAGRAPHS = st.lists(st.lists(WORDS, min_size=1, max_size=25).map(" ".join), min_size=1, max_size=6)
EDITS = st.lists(
    st.tuples(st.sampled_from("delete insert replace swap split merge copy".split()), st.integers(0, 99), WORDS),
    max_size=8,
)


def _edited(paragraphs: list[str], edits: list[tuple[str, int, str]]) -> list[str]:
    made = list(paragraphs)
    for kind, where, word in edits:
        at = where % len(made)
        words = made[at].split(" ")
        place = where % len(words)
        if kind == "delete" and len(made) > 1:
            del made[at]
        elif kind == "insert":
            made[at] = " ".join([*words[:place], word, *words[place:]])
        elif kind == "replace":
            made[at] = " ".join([*words[:place], word, *words[place + 1 :]])
        elif kind == "swap":
            made.append(made.pop(at))
        elif kind == "split" and 0 < place < len(words):
            made[at : at + 1] = [" ".join(words[:place]), " ".join(words[place:])]
        elif kind == "merge" and at + 1 < len(made):
            made[at : at + 2] = [f"{made[at]} {made[at + 1]}"]
        elif kind == "copy":
            made.insert(at, made[at])
    return made


@given(PARAGRAPHS, EDITS, st.integers(0, 10_000), st.integers(1, 60))
def test_no_anchor_lands_on_text_that_differs_too_much(
    paragraphs: list[str], edits: list[tuple[str, int, str]], at: int, length: int
) -> None:
    texts = pair(paragraphs, _edited(paragraphs, edits))
    start = at % max(1, len(texts.old.text))
    passage = trim_passage(texts.old.text, Passage(start, min(len(texts.old.text), start + length)))
    found = resolve_passage(texts, passage)
    assert found == resolve_passage(Pair(texts.old, texts.new), passage)
    quote = texts.old.text[passage.start : passage.end]
    if found.start is None or found.end is None:
        assert (found.state, found.block_id) == ("orphaned", None)
        return
    words = texts.new.text[found.start : found.end]
    assert compare_quotes(quote, words) >= MIN_SIMILARITY
    assert (found.state == "changed") == (words != quote)
    assert found.block_id in texts.new.at
    if found.method == "fuzzy":
        assert len(quote) >= MIN_FUZZY_LENGTH


@given(PARAGRAPHS, PARAGRAPHS, st.integers(0, 10_000), st.integers(1, 60))
def test_a_passage_of_an_untouched_paragraph_is_never_lost(
    before: list[str], after: list[str], at: int, length: int
) -> None:
    unique = f"Unlike {FERRY}"
    texts = pair([*before, unique], [*after, unique, *before])
    start = len(texts.old.text) - len(unique) + at % len(unique)
    quote = texts.old.text[start : start + length]
    found, _ = find(texts, quote) if texts.old.text.index(quote) == start else (None, None)
    if found is not None and quote.strip():
        assert found.start is not None
        assert texts.new.text[found.start : found.end] == quote.strip()


@given(PARAGRAPHS, st.integers(0, 10_000), st.integers(1, 60))
def test_nothing_moves_where_nothing_changed(paragraphs: list[str], at: int, length: int) -> None:
    texts = pair(paragraphs, paragraphs)
    start = at % len(texts.old.text)
    passage = Passage(start, min(len(texts.old.text), start + length))
    if texts.old.text[passage.start : passage.end].strip():
        found = resolve_passage(texts, passage)
        assert (found.state, found.start, found.end) == ("anchored", *trim_passage(texts.old.text, passage))
