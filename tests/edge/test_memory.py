"""How much is kept, and what leaves first."""

import math
import random
from collections.abc import Iterator

import pytest

from app.edge.answers import ANSWER_BYTES, Answer, Key, Response
from app.edge.memory import MAX_ALIAS_BYTES, MAX_ALIASES, Memory

SIZE = 1_000_000


def answer(name: str, size: int = 1000, groups: tuple[str, ...] = ("articles",)) -> Answer:
    key = Key(f"/v1/{name}", b"", "application/json", None, b"")
    return Answer(key, "/v1/{x}", Response(200, [(b"etag", b'"x"')], b"x" * size), frozenset(groups), math.inf)


@pytest.fixture
def dropped() -> list[Answer]:
    return []


@pytest.fixture
def memory(dropped: list[Answer]) -> Iterator[Memory]:
    found = Memory(SIZE, dropped.append)
    yield found
    assert found.size <= SIZE
    assert found.size == sum(kept.size for kept in found._answers.values())
    assert len(found) == len(found._probation) + len(found._protected)
    found.clear()
    assert (found.size, found._protected_bytes, found._groups, found.by_alias) == (0, 0, {}, {})


def test_the_bytes_are_bounded(memory: Memory, dropped: list[Answer]) -> None:
    chance = random.Random(1)
    for number in range(2000):
        memory.add(answer(str(chance.randrange(500)), chance.randrange(20_000), (f"g{number % 7}", "all")))
        assert memory.size <= SIZE
        if chance.random() < 0.3 and (kept := memory.find(answer(str(chance.randrange(500))).key, None)):
            memory.touch(kept)
        if chance.random() < 0.01:
            memory.evict([f"g{number % 7}"])
    assert len(memory) > 50
    assert dropped


def test_a_scan_does_not_displace_what_is_asked_for_again(memory: Memory) -> None:
    wanted = [answer(f"wanted-{number}") for number in range(50)]
    for each in wanted:
        memory.add(each)
        memory.touch(each)
    for number in range(5000):
        memory.add(answer(f"scan-{number}"))
    assert all(memory.holds(each) for each in wanted)


def test_what_was_not_asked_for_longest_leaves_first(memory: Memory) -> None:
    first, second = answer("first"), answer("second")
    for each in (first, second):
        memory.add(each)
        memory.touch(each)
    number = 0
    while memory.holds(first):  # everything is asked for again: the oldest is on probation once more
        each = answer(f"other-{number}")
        memory.add(each)
        memory.touch(each)
        memory.touch(second) if memory.holds(second) else None
        number += 1
    assert memory.holds(second)


def test_one_answer_does_not_take_it_all(memory: Memory) -> None:
    assert memory.add(answer("small"))
    assert not memory.add(answer("large", SIZE // 2))
    assert len(memory) == 1
    assert not memory.add(answer("small", SIZE // 2))  # and what it would replace is not kept either
    assert len(memory) == 0


def test_groups_evict_what_names_them(memory: Memory) -> None:
    one, two, three = answer("1", groups=("a", "b")), answer("2", groups=("b",)), answer("3", groups=("c",))
    for each in (one, two, three):
        memory.add(each)
    memory.evict(["b", "unknown"])
    assert [memory.holds(each) for each in (one, two, three)] == [False, False, True]


def test_requests_as_they_came_are_few_and_short(memory: Memory) -> None:
    kept = answer("1")
    memory.add(kept)
    for number in range(10):
        memory.find(kept.key, (b"/v1/1", b"%d" % number, None, None, None))
    assert len(memory.by_alias) == MAX_ALIASES
    other = answer("2")
    memory.add(other)
    memory.find(other.key, (b"/v1/2", b"x" * MAX_ALIAS_BYTES, None, None, None))
    assert len(memory.by_alias) == MAX_ALIASES
    memory.drop(kept)
    assert memory.by_alias == {}


def test_the_size_counts_more_than_the_body() -> None:
    assert answer("1", 10).size > 10 + ANSWER_BYTES
