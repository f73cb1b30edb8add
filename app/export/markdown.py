"""Everything as a folder of Markdown files, one for each article, as static site generators read them.

The front matter is YAML whose values are JSON, which YAML 1.2 includes, so that one way of escaping serves both.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pydantic_core
import sqlalchemy as sa

from app.db.rows import JsonObject
from app.export import everything
from app.export.everything import ExportedArticle
from app.export.ndjson import Step
from app.publication.site import Site

MAX_NAME_BYTES = 200  # of a file, without its suffix; file systems allow 255
_FRONT_MATTER = (
    "id title slug url type language state dek featured published_at updated_at revision rights corrections notices "
    "discussion"
).split()


def _to_json(value: object) -> str:
    # Escapes the separators that YAML would take for the end of a line.
    return (
        pydantic_core.to_json(value)
        .decode()
        .replace("\x85", "\\u0085")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _render_article(article: ExportedArticle) -> str:
    members, content = article.to_json(), article.content
    values = {name: members[name] for name in _FRONT_MATTER if members[name] not in (None, [], {})}
    terms: JsonObject = {
        "section": content.section and content.section.slug,
        "series": content.series and content.series.slug,
        "authors": [author.slug for author in content.authors],
        "tags": [tag.slug for tag in content.tags],
        "image": members["image"],
        "retraction": article.retraction,
    }
    values |= {name: value for name, value in terms.items() if value is not None}
    front_matter = "".join(f"{name}: {_to_json(value)}\n" for name, value in values.items())
    return f"---\n{front_matter}---\n\n{article.markdown.rstrip()}\n"


def _name_file(article: ExportedArticle) -> str:
    slug = article.content.slug
    return slug if len(slug.encode()) <= MAX_NAME_BYTES else article.content.id


def _write_array(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write a JSON array with one object on each line; return their number."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(("[\n" if not count else ",\n") + _to_json(row))
            count += 1
        file.write("\n]\n" if count else "[]\n")
    return count


def write_markdown(connection: sa.Connection, site: Site, folder: Path, step: Step) -> int:
    """Write `articles/*.md`, `comments/*.json` and a file for each kind of term; return the number of articles."""
    count = 0
    for part in ("articles", "comments"):
        (folder / part).mkdir()
    for kind in everything.TERM_SOURCES:
        _write_array(folder / f"{kind}.json", everything.read_terms(connection, kind, site))
    _write_array(folder / "address.json", everything.read_addresses(connection))
    _write_array(folder / "redirect.json", everything.read_redirects(connection))
    (folder / "site.json").write_text(_to_json(everything.read_profile(connection)) + "\n", encoding="utf-8")
    for articles in everything.read_articles(connection, site):
        discussed = everything.find_discussed(connection, [article.content.id for article in articles])
        for article in articles:
            (folder / "articles" / f"{_name_file(article)}.md").write_text(_render_article(article), encoding="utf-8")
            step(1)
            if article.content.id in discussed:
                path = folder / "comments" / f"{_name_file(article)}.json"
                step(_write_array(path, everything.read_discussion(connection, article.content.id)))
        count += len(articles)
    return count
