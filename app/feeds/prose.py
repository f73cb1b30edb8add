"""An article for people and for programs that read like them: Markdown and plain text, whole by itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from app.blocks import render_markdown
from app.feeds.content import Article, absolute_blocks, correction, placed
from app.feeds.schemas import Publication, uri

_SPECIAL = re.compile(r"([\\`*_\[\]<>~|#&])")
_LINE_START = re.compile(r"^(\s*)([-+=]|\d{1,9}(?=[.)]))", re.MULTILINE)


def _escaped(text: str) -> str:
    """Text in which Markdown finds nothing to do (CommonMark §2.4)."""
    return _LINE_START.sub(_guarded, _SPECIAL.sub(r"\\\1", text))


def _guarded(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}\\" if match[2][0].isdigit() else f"{match[1]}\\{match[2]}"


def _byline(article: Article, here: Publication) -> str:
    names = ", ".join(author["name"] for author in article["authors"])
    return ", ".join(filter(None, [names, here.name, (article["published_at"] or "")[:10]]))


def markdown(article: Article, body: Mapping[str, Any], here: Publication) -> bytes:
    """The article as CommonMark: title, standfirst, byline, notices, text, corrections."""
    parts = [f"# {_escaped(article['title'])}"]
    if article["dek"]:
        parts.append("\n".join(f"> {line}".rstrip() for line in _escaped(article["dek"]).split("\n")))
    parts += [_escaped(_byline(article, here)), f"<{uri(article['url'])}>"]
    parts += [_escaped(notice["text"]) for notice in placed(article, "before")]
    blocks = absolute_blocks(body["blocks"], uri(article["url"]), here.api)
    parts.append(body["markdown"] if blocks == body["blocks"] else render_markdown(blocks))
    parts += [f"**{correction(row)}:** {_escaped(row['text'])}" for row in article["corrections"]]
    parts += [_escaped(notice["text"]) for notice in placed(article, "after")]
    return ("\n\n".join(filter(None, parts)) + "\n").encode()


def text(article: Article, body: Mapping[str, str], here: Publication) -> bytes:
    """The same as plain text, parts apart by an empty line."""
    return ("\n\n".join(filter(None, _lines(article, body, here))) + "\n").encode()


def _lines(article: Article, body: Mapping[str, str], here: Publication) -> Iterator[str | None]:
    yield article["title"]
    yield article["dek"]
    yield f"{_byline(article, here)}\n{uri(article['url'])}"
    yield from (notice["text"] for notice in placed(article, "before"))
    yield body["text"]
    yield from (f"{correction(row)}: {row['text']}" for row in article["corrections"])
    yield from (notice["text"] for notice in placed(article, "after"))
