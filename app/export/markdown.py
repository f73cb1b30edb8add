"""Everything as a folder of Markdown files, one for each article, as generators of static sites read them.

Front matter is YAML whose values are JSON, which YAML 1.2 takes as it is: nothing has to be quoted twice.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pydantic_core
import sqlalchemy as sa

from app.articles.site import Site
from app.db.columns import Row
from app.export import everything

LONGEST = 200  # bytes of a name; file systems take 255
_FRONT = (
    "id title slug url type language state dek featured published_at updated_at revision rights corrections notices "
    "discussion"
).split()


def _json(value: Any) -> str:
    # A separator that YAML takes for a line's end may stand in a text.
    return (
        pydantic_core.to_json(value)
        .decode()
        .replace("\x85", "\\u0085")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _text(article: Mapping[str, Any]) -> str:
    values = {name: article[name] for name in _FRONT if article[name] not in (None, [], {})}
    for name in ("section", "series"):
        if article[name]:
            values[name] = article[name]["slug"]
    values |= {"authors": [row["slug"] for row in article["authors"]], "tags": [row["slug"] for row in article["tags"]]}
    if article["image"]:
        values["image"] = article["image"]
    if article["retraction"]:
        values["retraction"] = article["retraction"]
    front = "".join(f"{name}: {_json(value)}\n" for name, value in values.items())
    return f"---\n{front}---\n\n{article['body']['markdown'].rstrip()}\n"


def _name(article: Mapping[str, Any]) -> str:
    return str(article["slug"] if len(article["slug"].encode()) <= LONGEST else article["id"])


def _list(path: Path, rows: Iterable[Row]) -> int:
    """One JSON array, an object in a line."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(("[\n" if not count else ",\n") + _json(dict(row)))
            count += 1
        file.write("\n]\n" if count else "[]\n")
    return count


def write(connection: sa.Connection, site: Site, folder: Path, step: Callable[[int], None]) -> int:
    """Fill a folder: `articles/*.md`, `comments/*.json` and a file for each kind of term; returns how many articles."""
    count = 0
    for part in ("articles", "comments"):
        (folder / part).mkdir()
    for kind in everything.TERMS:
        _list(folder / f"{kind}.json", everything.terms(connection, kind))
    _list(folder / "address.json", everything.addresses(connection))
    for articles in everything.articles(connection, site):
        discussed = everything.discussed(connection, [article["id"] for article in articles])
        for article in articles:
            (folder / "articles" / f"{_name(article)}.md").write_text(_text(article), encoding="utf-8")
            step(1)
            if article["id"] in discussed:
                path = folder / "comments" / f"{_name(article)}.json"
                step(_list(path, everything.comments(connection, article["id"])))
        count += len(articles)
    return count
