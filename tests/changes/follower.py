"""A client that mirrors the public content: it starts with an export and follows the change feed."""

import hashlib
import json
from typing import Any

from tests.make import ok

TERMS = ("section", "tag", "author", "series")
COUNTED = ("articles", "replies", "first_replies", "ancestors")  # what moves with other things, or is not of this one


def lines(answer: Any) -> list[dict[str, Any]]:
    """Return the lines of a complete export."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    *before, last, end = answer.content.split(b"\n")
    assert end == b""
    found = [json.loads(line) for line in [*before, last]]
    assert found[0]["type"], found[-1]["type"] == ("manifest", "trailer")
    digest = hashlib.sha256(b"".join(line + b"\n" for line in before)).hexdigest()
    assert found[-1]["data"] == {"count": len(found) - 2, "sha256": digest}
    return found


def plain(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return an object without its counts."""
    row = {
        name: value for name, value in row.items() if name not in ("replies", "first_replies", "ancestors", *COUNTED)
    }
    if kind == "article":
        row["discussion"] = {
            name: value for name, value in row["discussion"].items() if name not in ("comments", "inline")
        }
    return row


class Follower:
    """A mirror: objects by kind and id."""

    def __init__(self, http: Any) -> None:
        self.http = http
        self.held: dict[str, dict[str, dict[str, Any]]] = {}
        self.cursor = ""
        self.told = 0

    def begin(self) -> None:
        """Start from an export."""
        found = lines(self.http.get("/v1/export.ndjson"))
        self.cursor = found[0]["data"]["cursor"]
        self.held = {kind: {} for kind in (*TERMS, "article", "comment")}
        for line in found[1:-1]:
            if line["type"] in self.held:
                self.held[line["type"]][line["data"]["id"]] = plain(line["type"], line["data"])

    def follow(self) -> bool:
        """Read one page; return whether there is more already."""
        types = "article,comment,section,tag,author,series,media,notice,discussion,votes,reactions"
        answer = ok(self.http.get(f"/v1/changes?cursor={self.cursor}&types={types}&limit=100"))
        for change in answer["data"]:
            self.told += 1
            getattr(self, f"_{change['type']}")(change)
        self.cursor = answer["page"]["next"]
        return bool(answer["page"]["more"])

    def catch_up(self) -> None:
        """Read until there are no more changes."""
        while self.follow():
            pass

    def _read(self, kind: str, url: str, row_id: str) -> None:
        answer = self.http.get(url)
        if answer.status_code == 200:
            self.held[kind][row_id] = plain(kind, answer.json())
        else:
            assert answer.status_code in (404, 410, 451), answer.text
            self.held[kind].pop(row_id, None)

    def _article(self, change: dict[str, Any]) -> None:
        row_id = change["id"]
        before = self.held["article"].get(row_id)
        if change["op"] == "upsert":
            self._read("article", f"/v1/articles/{row_id}", row_id)
        else:
            self.held["article"].pop(row_id, None)
        after = self.held["article"].get(row_id)
        if after is None:
            self._drop_comments(row_id)
        elif before is None or before["discussion"]["state"] != after["discussion"]["state"]:
            self._read_comments(row_id)

    def _drop_comments(self, article: str) -> None:
        self.held["comment"] = {
            row_id: row for row_id, row in self.held["comment"].items() if row["article_id"] != article
        }

    def _read_comments(self, article: str) -> None:
        self._drop_comments(article)
        self.held["comment"] |= {row["id"]: plain("comment", row) for row in all_comments(self.http, article)}

    def _comment(self, change: dict[str, Any]) -> None:
        if change["op"] == "delete":
            self.held["comment"].pop(change["id"], None)
            return
        self._read("comment", f"/v1/comments/{change['id']}", change["id"])
        row = self.held["comment"].get(change["id"])
        if row and row["state"] != "published":
            del self.held["comment"][change["id"]]

    def _votes(self, change: dict[str, Any]) -> None:
        self._comment(change)

    def _reactions(self, change: dict[str, Any]) -> None:
        self._article({**change, "op": "upsert"})

    def _term(self, change: dict[str, Any]) -> None:
        kind, row_id = change["type"], change["id"]
        before = self.held[kind].pop(row_id, None)
        if change["op"] == "upsert":
            plural = {"series": "series"}.get(kind, f"{kind}s")
            self._read(kind, f"/v1/{plural}/{row_id}", row_id)
        after = self.held[kind].get(row_id)
        slugs = {row["slug"] for row in (before, after) if row}
        known = {row["slug"] for row in self.held["tag"].values()}
        for article, row in list(self.held["article"].items()):
            if kind == "tag":
                shows = any(tag["slug"] in slugs or tag["slug"] not in known for tag in row["tags"])
            elif kind == "author":
                shows = any(author["id"] == row_id for author in row["authors"])
            else:
                shows = bool(row[kind]) and row[kind]["id"] == row_id
            if shows:
                self._article({"op": "upsert", "id": article})

    _section = _tag = _author = _series = _term

    def _notice(self, change: dict[str, Any]) -> None:
        self._again(change["of"])

    def _discussion(self, change: dict[str, Any]) -> None:
        for article in self._again(change["of"]):
            self._read_comments(article)

    def _media(self, change: dict[str, Any]) -> None:
        for article, row in list(self.held["article"].items()):
            if row["image"] and row["image"]["id"] == change["id"]:
                self._article({"op": "upsert", "id": article})

    def _again(self, of: dict[str, Any]) -> list[str]:
        """Read the articles again that discussion settings apply to; return the ids of those that still exist."""
        found = []
        for article, row in list(self.held["article"].items()):
            kind, row_id = of["type"], of["id"]
            inside = kind == "site" or (kind == "article" and article == row_id)
            inside = inside or (kind == "author" and any(author["id"] == row_id for author in row["authors"]))
            inside = inside or (kind in ("section", "series") and bool(row[kind]) and row[kind]["id"] == row_id)
            if inside:
                self._article({"op": "upsert", "id": article})
                found += [article] if article in self.held["article"] else []
        return found


def all_pages(http: Any, url: str) -> list[dict[str, Any]]:
    """Return all items of a list."""
    found, cursor = [], ""
    mark = "&" if "?" in url else "?"
    while True:
        answer = http.get(f"{url}{mark}limit=100{cursor}")
        if answer.status_code == 404:  # hidden, or gone meanwhile
            return []
        if answer.status_code in (410, 451):
            return []
        page = ok(answer)
        found += page["data"]
        if page["page"]["next"] is None:
            return found
        cursor = f"&cursor={page['page']['next']}"


def all_comments(http: Any, article: str) -> list[dict[str, Any]]:
    """Return all comments on an article that readers see."""
    return all_pages(http, f"/v1/articles/{article}/comments?view=all&sort=oldest")


def public_state(http: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Return everything that readers see, from the lists of the API."""
    urls = {"section": "sections", "tag": "tags", "author": "authors", "series": "series"}
    found = {kind: all_pages(http, f"/v1/{url}") for kind, url in urls.items()}
    found["article"] = all_pages(http, "/v1/articles?formats=html")
    found["comment"] = [row for article in found["article"] for row in all_comments(http, article["id"])]
    return {kind: {row["id"]: plain(kind, row) for row in rows} for kind, rows in found.items()}
