"""Ids of blocks stay with their content from revision to revision."""

from hypothesis import given
from hypothesis import strategies as st

from app.blocks.convert import body_from_html, body_from_markdown
from app.blocks.ids import assign_ids
from app.blocks.schemas import Block

paragraphs = st.lists(st.integers(0, 10**6), unique=True, max_size=12)


def _html(numbers: list[int]) -> str:
    return "".join(f"<p>{number:b} stands for the number {number}.</p>" for number in numbers)


def _by_text(blocks: list[Block]) -> dict[str, str]:
    return {block["text"]: block["id"] for block in blocks}


@given(paragraphs, paragraphs, st.randoms())
def test_an_unchanged_block_keeps_its_id_whatever_happens_around_it(before, after, random):
    kept = [number for number in before if random.random() < 0.7]
    mixed = kept + [number for number in after if number not in kept]
    random.shuffle(mixed)
    old = body_from_html(_html(before)).blocks
    new = body_from_html(_html(mixed), old).blocks
    known = _by_text(old)
    assert all(known[block["text"]] == block["id"] for block in new if block["text"] in known)


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=8), st.lists(st.sampled_from(["a", "b", "d"]), max_size=8))
def test_ids_are_unique_and_deterministic(before, after):
    old = body_from_html("".join(f"<p>{text}</p>" for text in before)).blocks
    source = "".join(f"<p>{text}</p>" for text in after)
    new = body_from_html(source, old).blocks
    assert len({block["id"] for block in new}) == len(new)
    assert new == body_from_html(source, old).blocks
    assert body_from_html(source, new).blocks == new


def test_an_edited_block_keeps_its_id_and_its_neighbours_keep_theirs():
    old = body_from_markdown("# Title\n\nThe first paragraph says this.\n\nThe last one says that.").blocks
    new = body_from_markdown(
        "# Title\n\nNew.\n\nThe first paragraph says this now.\n\nThe last one says that.", old
    ).blocks
    assert [block["id"] for block in new if block["text"] != "New."] == [block["id"] for block in old]
    assert new[1]["id"] not in {block["id"] for block in old}


def test_a_rewritten_block_gets_a_new_id():
    old = body_from_html("<p>Something entirely different.</p>").blocks
    assert body_from_html("<p>42</p>", old).blocks[0]["id"] != old[0]["id"]


def test_another_type_is_another_block():
    old = body_from_html("<p>The same words in the same place</p>").blocks
    assert body_from_html("<h2>The same words in the same place</h2>", old).blocks[0]["id"] != old[0]["id"]


def test_a_picture_with_a_new_caption_is_still_the_same_picture():
    old = body_from_html('<figure><img src="/a.png" alt=""></figure>').blocks
    new = body_from_html('<figure><img src="/a.png" alt="A"><figcaption>B</figcaption></figure>', old).blocks
    assert new[0]["id"] == old[0]["id"]


def test_a_repeated_paragraph_keeps_the_ids_of_its_copies_in_order():
    old = body_from_html("<p>x</p><p>y</p><p>x</p>").blocks
    new = body_from_html("<p>x</p><p>y</p><p>x</p><p>x</p>", old).blocks
    assert [block["id"] for block in new[:3]] == [block["id"] for block in old]


def test_an_id_is_never_handed_on_to_other_content():
    first = body_from_html("<p>one and two and three and four</p>").blocks
    second = body_from_html("<p>one and two and three and five</p>", first).blocks
    third = body_from_html(
        "<hr><p>one and two and three and four</p><p>one and two and three and five</p>", second
    ).blocks
    assert third[2]["id"] == second[0]["id"]
    assert third[1]["id"] != second[0]["id"]


def test_nothing_before_and_nothing_after():
    assert assign_ids([], []) == []
    assert body_from_html("", body_from_html("<p>x</p>").blocks).blocks == []
