"""Who answers whom, whatever a file says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.importers.discussion.remarks import Remark, State, address, shown_name, with_links_for_pictures
from app.importers.discussion.threads import hosts, may_stand, parents_first

STATES = st.sampled_from(["published", "pending", "spam", "removed", None])
KEYS = st.sampled_from([str(number) for number in range(12)])


def remark(key: str, parent: str, state: State = "published") -> Remark:
    return Remark(key, parent, state, "Ada", "", "<p>Yes.</p>", None)


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(KEYS, st.tuples(KEYS | st.just(""), STATES), max_size=12))
def test_every_remark_has_a_place_that_it_may_have_and_comes_after_it(
    told: dict[str, tuple[str, State | None]],
) -> None:
    remarks = [remark(key, parent, state) for key, (parent, state) in told.items() if state]
    states = {one.key: one.state for one in remarks}
    host = hosts(remarks, states, {key: parent for key, (parent, state) in told.items() if not state})
    order = [one.key for one in parents_first(remarks, host)]
    assert sorted(order) == sorted(states)
    for one in remarks:
        above = host[one.key]
        if above:
            assert order.index(above) < order.index(one.key)
            assert may_stand(one.state, under=states[above])


def test_a_reply_goes_to_the_nearest_above_it_that_is_shown() -> None:
    remarks = [remark("1", ""), remark("2", "1", "spam"), remark("3", "2"), remark("5", "4"), remark("6", "nowhere")]
    states = {one.key: one.state for one in remarks}
    assert hosts(remarks, states, {"4": "3"}) == {"1": "", "2": "1", "3": "1", "5": "3", "6": ""}


def test_names_and_addresses_and_pictures() -> None:
    notes: list[str] = []
    assert shown_name(" Ada \n B ", notes) == "Ada B"
    assert shown_name("\u200b", notes) == "Anonymous"
    assert notes == []
    assert shown_name("ada@mail.example", notes) == "ada"
    assert len(notes) == 1
    assert [address(text) for text in (" a@b.example ", "nobody", "a@b@c", "a b@c")] == ["a@b.example", "", "", ""]
    html = with_links_for_pictures('<img src="https://a.example/1.png?a&b" alt="Tide"> <IMG src=javascript:1>', notes)
    assert html == '<a href="https://a.example/1.png?a&amp;b">Tide</a> '
