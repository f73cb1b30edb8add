"""Ids of blocks that outlive editing: what stays the same or nearly so from one revision to the next keeps its id."""

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from hashlib import blake2s
from itertools import count
from typing import Final

from rapidfuzz import fuzz
from rapidfuzz.distance import LCSseq

from app.articles.body.schemas import Block

SIMILAR: Final = 60.0
_WINDOW: Final = 4
_COMPARED: Final = 1000


def with_ids(blocks: Sequence[Block], previous: Sequence[Block] = ()) -> list[Block]:
    """Give every block an id: that of its counterpart in the previous revision, or a new one made from its content."""
    keys = [_key(block) for block in blocks]
    matched = _matches(blocks, keys, previous, [_key(block) for block in previous])
    used = {block["id"] for block in previous}
    salts: defaultdict[str, Iterator[int]] = defaultdict(count)
    done: list[Block] = []
    for index, block in enumerate(blocks):
        if index in matched:
            name = previous[matched[index]]["id"]
        else:
            name = next(name for salt in salts[keys[index]] if (name := _name(keys[index], salt)) not in used)
            used.add(name)
        named = block.copy()
        named["id"] = name
        done.append(named)
    return done


def _key(block: Block) -> str:
    return json.dumps({**block, "id": ""}, sort_keys=True, ensure_ascii=False)


def _name(key: str, salt: int) -> str:
    return "b" + blake2s(f"{salt}:{key}".encode()).hexdigest()[:7]


def _matches(blocks: Sequence[Block], keys: list[str], previous: Sequence[Block], known: list[str]) -> dict[int, int]:
    """Pair the positions of new blocks with those of old ones: unchanged in order, then moved, then similar."""
    pairs: dict[int, int] = {}
    for change in LCSseq.opcodes(known, keys):
        if change.tag == "equal":
            pairs.update(
                zip(range(change.dest_start, change.dest_end), range(change.src_start, change.src_end), strict=True)
            )
    free: defaultdict[str, deque[int]] = defaultdict(deque)
    for old in sorted(set(range(len(known))) - set(pairs.values())):
        free[known[old]].append(old)
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
            if old not in taken and (score := _likeness(previous[old], block)):
                candidates.append((-score, abs(old - expected), new, old))
        expected += 1
    found: dict[int, int] = {}
    for _, _, new, old in sorted(candidates):
        if new not in found and old not in taken:
            found[new] = old
            taken.add(old)
    return found


def _likeness(old: Block, new: Block) -> float:
    if old["type"] != new["type"]:
        return 0.0
    if _source(old) is not None and _source(old) == _source(new):
        return 100.0
    return fuzz.ratio(old["text"][:_COMPARED], new["text"][:_COMPARED], score_cutoff=SIMILAR) if new["text"] else 0.0


def _source(block: Block) -> str | None:
    return block["src"] if block["type"] == "image" else block["url"] if block["type"] == "embed" else None
