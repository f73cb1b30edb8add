"""Who answers whom, whatever a file says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.importers.discussion.comments import SourceComment, State, clean_email, clean_name, replace_pictures
from app.importers.discussion.threads import can_be_under, find_visible_parents, sort_parents_first

STATES = st.sampled_from(["published", "pending", "spam", "removed", None])
KEYS = st.sampled_from([str(number) for number in range(12)])


def remark(key: str, parent: str, state: State = "published") -> SourceComment:
    return SourceComment(key, parent, state, "Ada", "", "<p>Yes.</p>", None)


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(KEYS, st.tuples(KEYS | st.just(""), STATES), max_size=12))
def test_every_remark_has_a_place_that_it_may_have_and_comes_after_it(
    told: dict[str, tuple[str, State | None]],
) -> None:
    remarks = [remark(key, parent, state) for key, (parent, state) in told.items() if state]
    states = {one.key: one.state for one in remarks}
    host = find_visible_parents(remarks, states, {key: parent for key, (parent, state) in told.items() if not state})
    order = [one.key for one in sort_parents_first(remarks, host)]
    assert sorted(order) == sorted(states)
    for one in remarks:
        above = host[one.key]
        if above:
            assert order.index(above) < order.index(one.key)
            assert can_be_under(one.state, states[above])


def test_a_reply_goes_to_the_nearest_above_it_that_is_shown() -> None:
    remarks = [remark("1", ""), remark("2", "1", "spam"), remark("3", "2"), remark("5", "4"), remark("6", "nowhere")]
    states = {one.key: one.state for one in remarks}
    assert find_visible_parents(remarks, states, {"4": "3"}) == {"1": "", "2": "1", "3": "1", "5": "3", "6": ""}


def test_names_and_addresses_and_pictures() -> None:
    notes: list[str] = []
    assert clean_name(" Ada \n B ", notes) == "Ada B"
    assert clean_name("\u200b", notes) == "Anonymous"
    assert notes == []
    assert clean_name("ada@mail.example", notes) == "ada"
    assert len(notes) == 1
    assert [clean_email(text) for text in (" a@b.example ", "nobody", "a@b@c", "a b@c")] == ["a@b.example", "", "", ""]
    html = replace_pictures('<img src="https://a.example/1.png?a&b" alt="Tide"> <IMG src=javascript:1>', notes)
    assert html == '<a href="https://a.example/1.png?a&amp;b">Tide</a> '
