"""Editors, readers and moderators that act at random."""

import itertools
import random
from collections.abc import Callable
from typing import Any

Headers = dict[str, str]
FAR, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"
UNIQUE = itertools.count()


class Editor:
    """An actor among several that work on the same objects; refused and lost requests are ignored."""

    def __init__(self, http: Any, key: Headers, seed: int, shared: dict[str, list[str]]) -> None:
        self.http, self.key, self.random, self.ids = http, key, random.Random(seed), shared
        self.tokens: dict[str, str] = {}
        self.name = f"{seed}x"

    def _send(self, method: str, url: str, body: Any = None, headers: Headers | None = None) -> Any:
        more = {**self.key, "If-Match": "*"} if headers is None else headers
        answer = self.http.request(method, url, json=body, headers=more)
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        return answer.json() if answer.content and answer.status_code < 300 else None

    def _one(self, kind: str) -> str | None:
        return self.random.choice(self.ids[kind]) if self.ids[kind] else None

    def _word(self) -> str:
        return f"{self.name}{next(UNIQUE)}"

    def _fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {"title": self._word(), "body": {"html": f"<p>{self._word()} and {self._word()}.</p>"}}
        for field, kind in (("section", "section"), ("series", "series")):
            found[field] = self._one(kind) if self.random.random() < 0.5 else None
        for field, kind in (("tags", "tag"), ("authors", "author")):
            found[field] = [row for row in [self._one(kind)] if row and self.random.random() < 0.5]
        return found

    def write(self) -> None:
        if made := self._send("POST", "/v1/articles", self._fields()):
            self.ids["article"].append(made["id"])
            self._send("POST", f"/v1/articles/{made['id']}/publish")

    def act(self) -> None:
        article = self._one("article")
        verb, body = self.random.choice(
            [
                ("publish", None),
                ("publish", None),
                ("unpublish", None),
                ("retract", {"reason": f"Wrong: {self._word()}.", "legal": self.random.random() < 0.3}),
                ("corrections", {"text": self._word()}),
            ]
        )
        if article:
            self._send("POST", f"/v1/articles/{article}/{verb}", body)

    def edit(self) -> None:
        if article := self._one("article"):
            fields = self._fields()
            kept = {name: fields[name] for name in self.random.sample(sorted(fields), 2)}
            kept |= {"slug": self._word()} if self.random.random() < 0.2 else {}
            self._send("PATCH", f"/v1/articles/{article}", kept)
            self._send("POST", f"/v1/articles/{article}/publish")

    def rights(self) -> None:
        if article := self._one("article"):
            times = [(FAR, None), (None, PAST), (None, None), (None, None)]
            embargo, expiry = self.random.choice(times)
            rights = {"embargoed_until": embargo, "expires_at": expiry, "usage_terms": self._word()}
            self._send("PATCH", f"/v1/articles/{article}", {"rights": rights, "featured": self.random.random() < 0.5})

    def term(self) -> None:
        kind = self.random.choice(["section", "tag", "author", "series"])
        url = "/v1/series" if kind == "series" else f"/v1/{kind}s"
        row, luck = self._one(kind), self.random.random()
        if row is None or luck < 0.4:
            if made := self._send("POST", url, {"name": self._word()}):
                self.ids[kind].append(made["id"])
        elif luck < 0.8:
            self._send("PATCH", f"{url}/{row}", {"name": self._word(), "slug": self._word()})
        else:
            self._send("DELETE", f"{url}/{row}")

    def notice(self) -> None:
        row, luck = self._one("notice"), self.random.random()
        if row is None or luck < 0.5:
            scope = self.random.choice(["site", "section", "series", "author", "article"])
            target = None if scope == "site" else self._one(scope)
            if target or scope == "site":
                body = {"scope": scope, "target_id": target, "placement": "before", "text": self._word()}
                if made := self._send("POST", "/v1/notices", body):
                    self.ids["notice"].append(made["id"])
        elif luck < 0.8:
            self._send("PATCH", f"/v1/notices/{row}", {"text": self._word()})
        else:
            self._send("DELETE", f"/v1/notices/{row}")

    def comment(self) -> None:
        if article := self._one("article"):
            parent = self._one("comment") if self.random.random() < 0.4 else None
            body = {"text": self._word(), "author": {"name": "Ida"}, "parent_id": parent}
            if made := self._send("POST", f"/v1/articles/{article}/comments", body, headers={}):
                self.ids["comment"].append(made["id"])
                self.tokens[made["id"]] = made["edit_token"]

    def moderate(self) -> None:
        if comment := self._one("comment"):
            verb = self.random.choice(["approve", "approve", "reject", "spam", "remove", "restore", "restore"])
            self._send("POST", f"/v1/comments/{comment}/{verb}", {"reason": "So."})

    def rewrite(self) -> None:
        if self.tokens:
            comment = self.random.choice(sorted(self.tokens))
            own = {"Authorization": f"Bearer {self.tokens[comment]}"}
            if self.random.random() < 0.8:
                self._send("PATCH", f"/v1/comments/{comment}", {"text": self._word()}, headers=own)
            else:
                self._send("DELETE", f"/v1/comments/{comment}", headers=own)

    def vote(self) -> None:
        guest = self._send("POST", "/v1/guests", headers={})
        if guest:
            own = {"Authorization": f"Bearer {guest['guest_token']}"}
            if comment := self._one("comment"):
                self._send("PUT", f"/v1/comments/{comment}/vote", {"value": self.random.choice([1, -1])}, headers=own)
            if article := self._one("article"):
                self._send("PUT", f"/v1/articles/{article}/reaction", {"value": "agree"}, headers=own)

    def discussion(self) -> None:
        kind = self.random.choice(["section", "article", "article", "site"])
        target = None if kind == "site" else self._one(kind)
        where = {"site": "", "section": f"/sections/{target}", "article": f"/articles/{target}"}[kind]
        if target or kind == "site":
            state = self.random.choice(
                ["open", "closed", None] if kind == "site" else ["open", "open", "closed", "hidden", None]
            )
            state = "hidden" if kind == "site" and self.random.random() < 0.1 else state
            self._send("PUT", f"/v1{where}/discussion", {"state": state, "prompt": self._word()})

    def step(self) -> None:
        """Perform a random action."""
        doings: list[tuple[Callable[[], None], int]] = [
            (self.write, 6),
            (self.act, 6),
            (self.edit, 6),
            (self.rights, 4),
            (self.term, 5),
            (self.notice, 2),
            (self.comment, 12),
            (self.moderate, 4),
            (self.rewrite, 2),
            (self.vote, 2),
            (self.discussion, 2),
        ]
        do, weights = zip(*doings, strict=True)
        self.random.choices(do, weights)[0]()


def shared() -> dict[str, list[str]]:
    """The objects that all actors know."""
    return {kind: [] for kind in ("article", "comment", "section", "tag", "author", "series", "notice")}
