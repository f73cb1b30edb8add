"""An article as CommonMark and as plain text, each complete in itself."""

import re
from collections.abc import Iterator

from app.blocks.to_markdown import render_markdown
from app.feeds.article_json import ArticleJson, BodyJson
from app.feeds.content import correction_label, make_blocks_absolute, notices_at
from app.feeds.schemas import Publication, to_uri

_SPECIAL = re.compile(r"([\\`*_\[\]<>~|#&])")
_LINE_START = re.compile(r"^(\s*)([-+=]|\d{1,9}(?=[.)]))", re.MULTILINE)


def _escape(text: str) -> str:
    """Escape everything that means something in Markdown (CommonMark §2.4)."""
    return _LINE_START.sub(_escape_line_start, _SPECIAL.sub(r"\\\1", text))


def _escape_line_start(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}\\" if match[2][0].isdigit() else f"{match[1]}\\{match[2]}"


def _byline(article: ArticleJson, publication: Publication) -> str:
    names = ", ".join(author["name"] for author in article["authors"])
    return ", ".join(filter(None, [names, publication.name, (article["published_at"] or "")[:10]]))


def render_article_markdown(article: ArticleJson, body: BodyJson, publication: Publication) -> bytes:
    """Render an article as CommonMark: title, standfirst, byline, notices, text, corrections."""
    parts = [f"# {_escape(article['title'])}"]
    if article["dek"]:
        parts.append("\n".join(f"> {line}".rstrip() for line in _escape(article["dek"]).split("\n")))
    parts += [_escape(_byline(article, publication)), f"<{to_uri(article['url'])}>"]
    parts += [_escape(notice["text"]) for notice in notices_at(article, "before")]
    blocks = make_blocks_absolute(body["blocks"], to_uri(article["url"]), publication.site.media)
    parts.append(body["markdown"] if blocks == body["blocks"] else render_markdown(blocks))
    parts += [f"**{correction_label(row)}:** {_escape(row['text'])}" for row in article["corrections"]]
    parts += [_escape(notice["text"]) for notice in notices_at(article, "after")]
    return ("\n\n".join(filter(None, parts)) + "\n").encode()


def render_article_text(article: ArticleJson, body: BodyJson, publication: Publication) -> bytes:
    """Render an article as plain text, with an empty line between its parts."""
    return ("\n\n".join(filter(None, _list_parts(article, body, publication))) + "\n").encode()


def _list_parts(article: ArticleJson, body: BodyJson, publication: Publication) -> Iterator[str | None]:
    yield article["title"]
    yield article["dek"]
    yield f"{_byline(article, publication)}\n{to_uri(article['url'])}"
    yield from (notice["text"] for notice in notices_at(article, "before"))
    yield body["text"]
    yield from (f"{correction_label(row)}: {row['text']}" for row in article["corrections"])
    yield from (notice["text"] for notice in notices_at(article, "after"))
