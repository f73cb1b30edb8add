"""Stable ids of blocks: a block that is unchanged or similar keeps its id in the next revision."""

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from copy import deepcopy
from hashlib import blake2s
from itertools import count, zip_longest
from typing import Final

from app.blocks.flatten import iter_inner_lists
from app.blocks.schemas import Block

MIN_SIMILARITY: Final = 60.0
_WINDOW: Final = 4
_MAX_COMPARED: Final = 1000


def assign_ids(blocks: Sequence[Block], previous: Sequence[Block] = ()) -> list[Block]:
    """Give every block an id: that of its counterpart in the previous revision, or one derived from its content."""
    named = [block.copy() for block in blocks]
    _assign_all(named, previous, {block["id"] for block in _iter_blocks(previous)}, defaultdict(count))
    return named


def _iter_blocks(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        for inner in iter_inner_lists(block):
            yield from _iter_blocks(inner)


def _assign_all(
    blocks: Sequence[Block], previous: Sequence[Block], used: set[str], salts: defaultdict[str, Iterator[int]]
) -> None:
    """Give ids to the blocks of one container, then to the blocks inside each."""
    keys = [_key(block) for block in blocks]
    matched = _matches(blocks, keys, previous, [_key(block) for block in previous])
    for index, block in enumerate(blocks):
        if index in matched:
            block["id"] = previous[matched[index]]["id"]
        else:
            block["id"] = next(name for salt in salts[keys[index]] if (name := _make_id(keys[index], salt)) not in used)
            used.add(block["id"])
    for index, block in enumerate(blocks):
        before = previous[matched[index]] if index in matched else None
        for new, old in zip_longest(iter_inner_lists(block), iter_inner_lists(before) if before else ()):
            if new is not None:
                _assign_all(new, old or (), used, salts)


def _key(block: Block) -> str:
    if any(iter_inner_lists(block)):
        block = deepcopy(block)
        for inner in iter_inner_lists(block):
            for each in _iter_blocks(inner):
                each["id"] = ""
    return json.dumps({**block, "id": ""}, sort_keys=True, ensure_ascii=False)


def _make_id(key: str, salt: int) -> str:
    return "b" + blake2s(f"{salt}:{key}".encode()).hexdigest()[:7]


def _matches(
    blocks: Sequence[Block], keys: list[str], previous: Sequence[Block], previous_keys: list[str]
) -> dict[int, int]:
    """Match new blocks to old ones by position: unchanged in order, then moved, then similar."""
    from rapidfuzz.distance import LCSseq  # here, as only saving needs it, and it takes 3.5 MB

    pairs: dict[int, int] = {}
    for change in LCSseq.opcodes(previous_keys, keys):
        if change.tag == "equal":
            pairs.update(
                zip(range(change.dest_start, change.dest_end), range(change.src_start, change.src_end), strict=True)
            )
    free: defaultdict[str, deque[int]] = defaultdict(deque)
    for old in sorted(set(range(len(previous_keys))) - set(pairs.values())):
        free[previous_keys[old]].append(old)
    for new, key in enumerate(keys):
        if new not in pairs and free[key]:
            pairs[new] = free[key].popleft()
    pairs.update(_similar(blocks, previous, pairs))
    return pairs


def _similar(blocks: Sequence[Block], previous: Sequence[Block], pairs: dict[int, int]) -> dict[int, int]:
    """Pair what is left with the most similar old block of the same type near the place where it should be."""
    taken = set(pairs.values())
    candidates: list[tuple[float, int, int, int]] = []
    expected = 0
    for new, block in enumerate(blocks):
        if new in pairs:
            expected = pairs[new] + 1
            continue
        for old in range(max(0, expected - _WINDOW), min(len(previous), expected + _WINDOW + 1)):
            if old not in taken and (score := _similarity(previous[old], block)):
                candidates.append((-score, abs(old - expected), new, old))
        expected += 1
    pairs_found: dict[int, int] = {}
    for _, _, new, old in sorted(candidates):
        if new not in pairs_found and old not in taken:
            pairs_found[new] = old
            taken.add(old)
    return pairs_found


def _similarity(old: Block, new: Block) -> float:
    from rapidfuzz import fuzz

    if old["type"] != new["type"]:
        return 0.0
    if _source(old) is not None and _source(old) == _source(new):
        return 100.0
    return (
        fuzz.ratio(old["text"][:_MAX_COMPARED], new["text"][:_MAX_COMPARED], score_cutoff=MIN_SIMILARITY)
        if new["text"]
        else 0.0
    )


def _source(block: Block) -> str | None:
    if block["type"] == "embed":
        return block["url"]
    return block["src"] if block["type"] in {"image", "audio", "video"} else None
