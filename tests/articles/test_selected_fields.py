"""Selecting fields of finished JSON gives what selecting them of the parsed values gives, byte for byte."""

import random
from typing import Any

import pydantic_core

from app.articles.rendering import RenderedArticle
from app.web.fields import pick_fields

NAMES = ["id", "title", "tags", "image", "é", 'a"b', "__proto__"]
LEAVES: list[Any] = [None, True, 0, -1.5, 1e30, 2**63, "", 'a"],"title":1', "\\", "ü🙂\n", [], {}, [{}]]


def make_value(rng: random.Random, tree: Any) -> Any:
    """Make a value of which a tree selects fields, with others beside them; objects have their members in any order."""
    if not isinstance(tree, dict):
        return rng.choice([*LEAVES, {"id": rng.choice(LEAVES)}])
    if "__all__" in tree:
        return rng.choice([None, [], [make_value(rng, tree["__all__"]) for _ in range(3)]])
    names = [name for name in NAMES if rng.random() < 0.7]
    rng.shuffle(names)
    value = {name: make_value(rng, tree.get(name)) for name in names}
    return None if rng.random() < 0.1 else value


def make_tree(rng: random.Random, depth: int = 0) -> Any:
    """Make a tree of selected fields."""
    tree: dict[str, Any] = {}
    for name in rng.sample(NAMES, rng.randint(1, 4)):
        inner = make_tree(rng, depth + 1) if depth < 2 and rng.random() < 0.4 else True
        tree[name] = {"__all__": inner} if isinstance(inner, dict) and rng.random() < 0.5 else inner
    return tree


def test_selected_json_is_what_selected_values_are() -> None:
    rng = random.Random(random.getrandbits(32))
    for _ in range(100):
        tree = make_tree(rng)
        value = make_value(rng, tree) or {}
        json = pydantic_core.to_json(value)
        selected = RenderedArticle(json).select(tree).json
        assert selected == pydantic_core.to_json(pick_fields(value, tree)), (tree, json)
