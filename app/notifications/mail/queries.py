"""What letters say: read at the moment of sending, so that nothing goes out that readers may no longer see."""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from app.articles.addresses.schemas import Site
from app.articles.queries import SECTION, A
from app.comments.queries import C
from app.kit.names import public_name, without_turns
from app.kit.schema import Row
from app.kit.text import excerpt
from app.notifications.digests.queries import MOST, items
from app.notifications.queries import find_correction, is_readable
from app.notifications.schemas import Letter
from app.subscriptions.opt_ins.queries import waiting
from app.subscriptions.queries import by_ids, subscriber, targets
from app.subscriptions.suppressions.queries import of as suppression_of

_COLUMNS = [A.c[name] for name in "id slug title dek excerpt published_at corrections".split()]
_ARTICLE = sa.select(*_COLUMNS, SECTION.c.slug.label("section")).outerjoin(SECTION, SECTION.c.id == A.c.section_id)
_COMMENT = sa.select(*(C.c[name] for name in "id article_id parent_id author_name text created_at".split()))
_PARTS = {"article.published": "articles", "article.corrected": "corrections", "comment.published": "comments"}
Content = Mapping[str, Any]


def letter(connection: sa.Connection, what: str, subscriber_id: str, content: Content, site: Site) -> Letter | None:
    """The letter of a delivery, or None if it should not be sent any more."""
    who = subscriber(connection, subscriber_id)
    if who is None or suppression_of(connection, who["email"]):
        return None
    if what == "opt_in":
        return _opt_in(connection, who, content, site)
    if what == "digest":
        return _digest(connection, who, content, site)
    live = _live(connection, content["subscriptions"])
    told = _told(connection, what, content, site) if live else None
    if told is None:
        return None
    head: dict[str, Any] = {"to": who["email"], "subscriber_id": who["id"], "subscriptions": tuple(live.values())}
    article_id = told["article"]["id"]
    thread = [f"article.published:{article_id}"]
    if what == "comment.published":
        if told["comment"]["parent_id"]:
            thread.append(f"comment.published:{told['comment']['parent_id']}")
        told["is_reply"] = any(row["kind"] == "comments.replies_to_me" for row in live.values())
        head |= {"template": "comment", "list_id": f"comments.{article_id}", "thread": tuple(thread)}
    elif what == "article.corrected":
        head |= {"template": "correction", "list_id": f"article.{article_id}", "thread": tuple(thread)}
    else:
        head |= {"template": "article", "list_id": "articles"}
    return Letter(values=told, **head)


def _live(connection: sa.Connection, ids: Collection[str]) -> dict[str, Row]:
    """Those of the subscriptions that still hold."""
    return {row["id"]: row for row in by_ids(connection, list(ids))}


def _articles(connection: sa.Connection, ids: Collection[str], site: Site) -> dict[str, dict[str, Any]]:
    """What letters say of articles that readers see."""
    rows = connection.execute(_ARTICLE.where(A.c.id.in_(ids), A.c.public)).mappings()
    return {row["id"]: _shown(row, site) for row in rows}


def _shown(row: Row, site: Site) -> dict[str, Any]:
    url = site.url + quote(site.path_of(row["section"], row["slug"], row["published_at"]))
    return {**row, "summary": row["dek"] or row["excerpt"], "url": url}


def _comments(connection: sa.Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What letters say of comments that stand."""
    rows = connection.execute(_COMMENT.where(C.c.id.in_(ids), C.c.state == "published")).mappings()
    found = {}
    for row in rows:
        said = {"name": public_name(row["author_name"]), "excerpt": without_turns(excerpt(row["text"], 280))}
        found[row["id"]] = {**row, **said}
    return found


def _told(connection: sa.Connection, what: str, content: Content, site: Site) -> dict[str, Any] | None:
    """The values of a letter about one thing."""
    comment = None
    if what == "comment.published":
        comment = _comments(connection, [content["comment"]]).get(content["comment"])
        if comment is None or not is_readable(connection, comment["article_id"]):
            return None
    article_id = comment["article_id"] if comment else content["article"]
    article = _articles(connection, [article_id], site).get(article_id)
    if article is None or _is_withdrawn(article, content):
        return None
    return _values(article, comment, content)


def _is_withdrawn(article: dict[str, Any], content: Content) -> bool:
    """Whether this is about a correction that was taken back."""
    is_correction = "correction" in content or "correction_n" in content
    return is_correction and find_correction(article["corrections"], content) is None


def _values(article: dict[str, Any], comment: dict[str, Any] | None, content: Content) -> dict[str, Any]:
    values: dict[str, Any] = {"article": article}
    if comment is not None:
        values["comment"] = {**comment, "url": f"{article['url']}#comment-{comment['id']}"}
    if "correction" in content or "correction_n" in content:
        values["correction"] = find_correction(article["corrections"], content)
    return values


def _digest(connection: sa.Connection, who: Row, content: Content, site: Site) -> Letter | None:
    """A digest of what still stands and is still subscribed to; None where nothing is left."""
    found = items(connection, who["id"], content["period"])
    live = _live(connection, {one for item in found for one in item["content"]["subscriptions"]})
    found = [item for item in found if any(one in live for one in item["content"]["subscriptions"])]
    comments = _comments(connection, [item["content"]["comment"] for item in found if "comment" in item["content"]])
    ids = {one["article_id"] for one in comments.values()}
    ids |= {item["content"]["article"] for item in found if "article" in item["content"]}
    articles = _articles(connection, ids, site)
    open_ones = {one for one in articles if is_readable(connection, one)}
    entries: dict[str, list[dict[str, Any]]] = {what: [] for what in _PARTS}
    for item in found:
        comment = comments.get(item["content"].get("comment", ""))
        article = articles.get(comment["article_id"] if comment else item["content"].get("article", ""))
        is_hidden = comment is not None and (article is None or article["id"] not in open_ones)
        if article is None or is_hidden or _is_withdrawn(article, item["content"]):
            continue
        if "comment" not in item["content"] or comment:
            entries[item["what"]].append(_values(article, comment, item["content"]))
    number = sum(len(some) for some in entries.values())
    if not number:
        return None
    frequency = content["period"].partition(":")[0]
    values = {"frequency": frequency, "number": number, "more": max(0, number - MOST), **_cut(entries)}
    return Letter(who["email"], who["id"], "digest", values, f"digest.{frequency}", digest=frequency)


def _cut(entries: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """As many as a letter holds, by what they are; comments stand together by article."""
    entries["comment.published"].sort(key=lambda one: (one["article"]["title"], one["article"]["id"]))
    left, out = MOST, {}
    for what, name in _PARTS.items():
        out[name] = entries[what][:left]
        left -= len(out[name])
    return out


def _opt_in(connection: sa.Connection, who: Row, content: Content, site: Site) -> Letter | None:
    """The letter that asks whether somebody meant it. It says nothing that whoever asked could have written."""
    row = waiting(connection, content["opt_in"])
    if row is None:
        return None
    target = targets(connection, [row["target"]])[row["target"]]
    if target["type"] != "site" and target["name"] is None:
        return None  # readers see it no more
    values: dict[str, Any] = {
        "kind": row["kind"],
        "target": target,
        "frequency": row["frequency"],
        "opt_in": row["id"],
        "confirm_url": row["confirm_url"],
        "with_comment": row["comment_id"] is not None,
        "is_known": row["confirmed_at"] is not None,
        "link": None,
    }
    if row["comment_id"] is not None:
        told = _told(connection, "comment.published", {"comment": row["comment_id"]}, site)
        if told is None:
            return None
        values["link"] = told["comment"]["url"]
    return Letter(who["email"], who["id"], "opt_in", values, "subscriptions")
