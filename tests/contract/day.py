"""A newsroom's day through the API, every answer of it compared with the document."""

import re
from collections.abc import Collection, Iterator
from typing import Any

import jsonschema_rs
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.subscriptions.opt_ins import OPT_IN, create_confirm_token
from app.subscriptions.unsubscribing import create_token
from app.web.openapi import CACHE_GROUP_HEADERS
from tests import make
from tests.document import Operation, operations, with_schemas

Headers = dict[str, str]


_FILE_KEY = "(?![0-9a-f-]{36}/).+"  # of a stored file: what names a picture first is a rendition


class Checked:
    """A client that compares every answer with what the document says of it."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.document = make.ok(client.get("/openapi.json"))
        self.schemas = self.document["components"]["schemas"]
        self.operations = list(operations(self.document))
        self.validators: dict[str, Any] = {}
        self.seen: set[tuple[str, str, str]] = set()
        self.faults: set[str] = set()

    def find(self, method: str, path: str) -> Operation | None:
        """The operation behind an address: the one with the fewest variables, a suffix not counted."""
        found = [
            operation
            for operation in self.operations
            if operation[0] == method
            and re.fullmatch(
                re.sub(r"{[^}]+}", "[^/]+", operation[1].replace(".", r"\.").replace("{key}", _FILE_KEY)), path
            )
        ]
        return min(found, key=lambda operation: operation[1].count("{") - operation[1].count("}."), default=None)

    def send(self, method: str, url: str, **more: Any) -> Any:
        """Ask, compare, and give the answer."""
        answer = self.client.request(method, url, follow_redirects=False, **more)
        operation = self.find(method, url.partition("?")[0])
        assert operation is not None, url
        self.compare(operation, answer)
        return answer

    def compare(self, operation: Operation, answer: Any) -> None:
        """The status, the media type and the JSON must be documented."""
        method, path, _ = operation
        status = str(answer.status_code)
        self.seen.add((method, path, status))
        self.faults |= set(self._faults(operation, answer, status))

    def _validator(self, schema: Any) -> Any:
        """The validator of a schema, made once."""
        name = repr(schema)
        if name not in self.validators:
            whole = with_schemas(schema, self.schemas)
            self.validators[name] = jsonschema_rs.validator_for(whole, validate_formats=True)
        return self.validators[name]

    def _faults(self, operation: Operation, answer: Any, status: str) -> Iterator[str]:
        method, path, described = operation
        where = f"{method} {path} {status}"
        if status == "304" and not answer.content:
            return
        if status not in described["responses"]:
            yield f"{where} is not documented: {answer.text[:200]}"
            return
        promised = described["responses"][status].get("headers", {})
        for name in {"ETag"} & promised.keys() if method == "GET" else {"Broadsheet-Position"} & promised.keys():
            if name not in answer.headers:
                yield f"{where} has no {name}"
        yield from self._cache_group_faults(where, promised.keys(), answer)
        content = described["responses"][status].get("content", {})
        if not answer.content:
            if content and status not in {"204", "301"}:
                yield f"{where} has no body"
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        if media_type not in content:
            yield f"{where} is {media_type}"
        elif media_type.endswith("json") and not media_type.endswith("ndjson"):
            for error in self._validator(content[media_type]["schema"]).iter_errors(answer.json()):
                yield f"{where}: {error.message[:200]} at {error.instance_path}"

    def _cache_group_faults(self, where: str, promised: Collection[str], answer: Any) -> Iterator[str]:
        """What readers without a key may keep names its cache groups, as documented; nothing else does."""
        documented = set(CACHE_GROUP_HEADERS if "Cache-Tag" in promised else ())
        given = {name for name in CACHE_GROUP_HEADERS if name in answer.headers}
        if given - documented:
            yield f"{where} has {sorted(given)}, which is not documented"
        if answer.status_code == 200 and "authorization" not in answer.request.headers and documented - given:
            yield f"{where} has no {sorted(documented)}"


def live(api: Checked, key: Headers) -> dict[str, str]:
    """What a newsroom does in a day; the ids of what it leaves behind."""

    def post(url: str, body: Any = None, status: int = 201, **more: str) -> Any:
        answer = api.send("POST", url, json=body, headers={**key, **more})
        return make.ok(answer, status)

    def change(method: str, url: str, body: Any = None, status: int = 200) -> Any:
        return make.ok(api.send(method, url, json=body, headers={**key, "If-Match": "*"}), status)

    ids = {
        kind: post(f"/v1/{kind}", {"name": f"The {kind}"})["id"] for kind in ("sections", "tags", "authors", "series")
    }
    for kind, row in ids.items():
        change("PATCH", f"/v1/{kind}/{row}", {"name": f"Our {kind}"})
    for kind in ("tags", "authors", "series"):
        spare = post(f"/v1/{kind}", {"name": f"Spare {kind}"})["id"]
        ids["merge"] = change("POST", f"/v1/{kind}/{spare}/merge", {"into": None}, 202)["id"]
    notice = {"scope": "section", "target_id": ids["sections"], "placement": "both", "text": "Mind this."}
    ids["notices"] = post("/v1/notices", notice)["id"]
    change("PATCH", f"/v1/notices/{ids['notices']}", {"placement": "before"})
    full = {"title": "A", "dek": "D", "section": ids["sections"], "series": ids["series"], "authors": [ids["authors"]]}
    full |= {
        "tags": ["one", "two"],
        "body": {"markdown": "# H\n\n* a\n* b\n\n> q\n\n```py\nx\n```\n\n| a |\n|---|\n| b |"},
    }
    article = post("/v1/articles", full, **{"Idempotency-Key": "k"})["id"]
    post("/v1/articles", full, **{"Idempotency-Key": "k"})
    url = f"/v1/articles/{article}"
    change("POST", f"{url}/publish")
    change("PATCH", url, {"title": "B", "slug": "b"})
    ids["anchor"] = post(f"{url}/anchors", {"exact": "q", "question": "Who said so?"})["id"]
    change("PATCH", f"/v1/anchors/{ids['anchor']}", {"question": "Who?", "place": {"exact": "x"}})
    change("POST", f"/v1/anchors/{ids['anchor']}/detach")
    change("POST", f"/v1/anchors/{ids['anchor']}/redact")
    change("POST", f"{url}/corrections", {"text": "It was four."})
    change("PATCH", f"{url}/corrections/1", {"text": "It was five."})
    make.ok(api.send("GET", f"{url}/corrections/history", headers=key))
    change("DELETE", f"{url}/corrections/1")
    change("POST", f"{url}/revisions/1/restore")
    change("PUT", f"/v1/sections/{ids['sections']}/approval", {"required": True, "roles": ["desk"]})
    change("PUT", f"/v1/sections/{ids['sections']}/approval", {"required": True})
    ids["note"] = post(f"{url}/notes", {"text": "Which?", "anchor": {"exact": "q"}})["id"]
    change("PATCH", f"/v1/notes/{ids['note']}", {"done": True})
    ids["task"] = post("/v1/tasks", {"title": "Call them", "article": article, "due_at": "2999-01-01T00:00:00Z"})["id"]
    change("PATCH", f"/v1/tasks/{ids['task']}", {"done": True})
    change("PUT", f"{url}/lock")
    make.ok(api.send("GET", f"{url}/lock", headers=key))
    change("POST", f"{url}/submit")
    change("POST", f"{url}/publish", status=409)
    change("POST", f"{url}/approve", {"revision": 1})
    change("POST", f"{url}/return", {"note": "Who says so?"})
    change("PUT", f"/v1/sections/{ids['sections']}/approval", {})
    ids["preview"] = post(f"{url}/previews", {})["id"]
    other = post("/v1/articles", {"title": "Other"})["id"]
    change("PUT", f"/v1/articles/{other}/schedule", {"at": "2999-01-01T00:00:00Z"})
    make.ok(api.send("GET", f"/v1/articles/{other}/schedule", headers=key))
    change("DELETE", f"/v1/articles/{other}/schedule")
    change("POST", f"/v1/articles/{other}/publish")
    change("POST", f"/v1/articles/{other}/unpublish")
    gone = post("/v1/articles", {"title": "Gone"})["id"]
    change("POST", f"/v1/articles/{gone}/publish")
    change("POST", f"/v1/articles/{gone}/retract", {"reason": "Wrong."})
    court = post("/v1/articles", {"title": "Court"})["id"]
    change("POST", f"/v1/articles/{court}/publish")
    change("POST", f"/v1/articles/{court}/retract", {"reason": "Order.", "legal": True})
    purged = post("/v1/articles", {"title": "Purged"})["id"]
    change("POST", f"/v1/articles/{purged}/purge", {"reason": "Order."}, status=204)
    brief = post("/v1/articles", {"title": "Brief"})["id"]
    many = {"operations": [{"op": "patch", "article": brief, "if_match": "*", "body": {"dek": "D"}}]}
    post("/v1/articles/bulk", many, 200)
    change("DELETE", f"/v1/articles/{brief}", status=204)
    ids |= {"article": article, "gone": gone, "court": court} | discuss(api, key, ids["sections"], article)
    change("PUT", f"/v1/articles/{article}/related", {"ids": [other]})
    blocks = [{"kind": "pinned", "articles": [article]}, {"kind": "newest"}, {"kind": "discussed", "tag": "one"}]
    front = {"title": "Front", "blocks": blocks}
    new = {**key, "If-None-Match": "*"}
    ids["front"] = make.ok(api.send("PUT", "/v1/fronts/home", json=front, headers=new), 201)["id"]
    make.ok(api.send("PUT", "/v1/fronts/home", json=front, headers=new), 412)
    change("PUT", "/v1/fronts/home", {**front, "state": "draft"})
    make.ok(api.send("GET", "/v1/fronts/home?preview=true", headers=key))
    change("PUT", "/v1/site", {"home_front": "home", "menus": [{"name": "main", "items": [{"article": article}]}]})
    ids["redirect"] = post("/v1/redirects", {"source": "/from", "target": "/to"})["id"]
    change("PATCH", f"/v1/redirects/{ids['redirect']}", {"target": "/there"})
    ids |= release(api, key, other)
    make.ok(api.send("GET", "/v1/resolve?path=/"))
    make.ok(api.send("GET", "/v1/resolve?path=/from"))
    make.ok(api.send("GET", "/v1/articles?sort=-discussed_7d", headers=key))
    ids["webhook"] = post("/v1/webhooks", {"url": "https://hooks.example/in", "events": ["article.*"]})["id"]
    hook = f"/v1/webhooks/{ids['webhook']}"
    change("PATCH", hook, {"description": "Ours."})
    change("POST", f"{hook}/rotate", {"overlap_hours": 1})
    ids["delivery"] = make.ok(api.send("POST", f"{hook}/test", headers=key), 202)["id"]
    make.ok(api.send("GET", f"{hook}/deliveries", headers=key))
    make.ok(api.send("POST", f"{hook}/deliveries/{ids['delivery']}/redeliver", headers=key), 202)
    make.ok(
        api.send(
            "POST",
            f"{hook}/replay",
            json={"since": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z"},
            headers=key,
        ),
        202,
    )
    ids["key"] = post("/v1/keys", {"name": "Reader", "scopes": ["content:read"]})["id"]
    make.ok(api.send("PATCH", f"/v1/keys/{ids['key']}", json={"name": "Readers"}, headers=key))
    share(api, key, article)
    return ids


def share(api: Checked, key: Headers, article: str) -> None:
    """What partners, and those who name them, do in a day; a subscriber asks the hub."""
    about = {"name": "Partner", "scopes": ["syndicate"], "quota_minute": 1000, "quota_day": 10_000}
    partner = make.ok(api.send("POST", "/v1/keys", json=about, headers=key), 201)
    theirs = {"Authorization": f"Bearer {partner['key']}"}
    fields = {"title": "Soon", "rights": {"embargoed_until": "2999-01-01T00:00:00Z", "territory": ["AT", "DE"]}}
    soon = make.ok(api.send("POST", "/v1/articles", json=fields, headers=key), 201)["id"]
    any_version = {**key, "If-Match": "*"}
    make.ok(api.send("POST", f"/v1/articles/{soon}/publish", headers=any_version))
    make.ok(api.send("PUT", f"/v1/articles/{soon}/partners", json={"keys": [partner["id"]]}, headers=any_version))
    make.ok(
        api.send("PUT", f"/v1/articles/{article}/partners", json={"keys": [partner["id"]]}, headers=any_version), 409
    )
    make.ok(api.send("GET", f"/v1/articles/{soon}", headers=theirs))
    make.ok(api.send("GET", "/v1/embargoed?formats=html", headers=theirs))
    form = {"hub.mode": "subscribe", "hub.topic": "https://site.example/feeds/site.rss"}
    make.ok(api.send("POST", "/hub", data={**form, "hub.callback": "https://a.example/in"}), 202)


def subscribe(api: Checked, client: TestClient, key: Headers, article: str) -> dict[str, str]:
    """What subscribers and those who look after them do in a day; the ids and the token that are left behind."""

    def send(method: str, url: str, body: Any = None, status: int = 200, headers: Headers | None = None) -> Any:
        return make.ok(api.send(method, url, json=body, headers=headers or {}), status)

    services: Any = client.app.state.services  # type: ignore[attr-defined]
    asked = {"email": "di@example.org", "kind": "comments.all", "target": {"type": "article", "id": article}}
    send("POST", "/v1/subscriptions", asked, 202)
    assert client.portal is not None
    while client.portal.call(services.worker.run_once):
        pass
    with services.database.connect() as connection:
        (opt_in,) = connection.execute(sa.select(OPT_IN.c.id)).scalars()
    token = create_confirm_token(services.vault, opt_in)
    confirmed = send("POST", "/v1/subscriptions/confirm", {"token": token})
    mine = make.bearer(confirmed["manage_token"])
    kept = confirmed["subscription"]["id"]
    send("GET", "/v1/subscriptions", headers=mine)
    send("GET", "/v1/whoami", headers=mine)
    send("GET", "/v1/me/data", headers=mine)
    send("PATCH", f"/v1/subscriptions/{kept}", {"frequency": "daily"}, headers=mine)
    send("POST", "/v1/subscriptions/rotate", headers=mine)
    (one,) = send("GET", "/v1/subscribers", headers=key)["data"]
    send("GET", f"/v1/subscribers/{one['id']}", headers=key)
    send("POST", "/v1/persons/export", {"email": "di@example.org"}, headers=key)
    send("POST", "/v1/persons/erase", {"email": "nobody@example.org"}, 204, key)
    suppressed = send("POST", "/v1/suppressions", {"email": "no@example.org"}, 201, key)
    send("GET", "/v1/suppressions", headers=key)
    row = {"kind": "comments.all", "target": f"article:{article}", "article_id": article}
    link = create_token(services.vault, one["email"], [row])
    send("GET", f"/v1/unsubscribe/{link}")
    for accept in ("text/html", "application/json"):
        form = {"data": {"List-Unsubscribe": "One-Click"}, "headers": {"Accept": accept}}
        assert api.send("GET", f"/v1/unsubscribe/{link}", headers=form["headers"]).status_code == 200
        assert api.send("POST", f"/v1/unsubscribe/{link}", **form).status_code == 200
    return {"subscription": kept, "subscriber": one["id"], "suppression": suppressed["id"], "token": link}


def staff(api: Checked, key: Headers) -> dict[str, str]:
    """A person with a role of the publication."""

    def send(method: str, url: str, body: Any, status: int = 200) -> Any:
        return make.ok(api.send(method, url, json=body, headers=key), status)

    role = send("POST", "/v1/roles", {"role": "columnist", "name": "Columnist", "scopes": ["content:write"]}, 201)
    send("PATCH", "/v1/roles/columnist", {"name": "Columnists"})
    person = send("POST", "/v1/people", {"name": "Zoe Adler", "email": "zoe@example.org"}, 201)["id"]
    send("PUT", f"/v1/people/{person}/grants", [{"role": role["role"]}, {"role": "moderator"}])
    send("PATCH", f"/v1/people/{person}", {"name": "Zoë Adler"})
    token = send("POST", f"/v1/people/{person}/invitations", None, 201)["token"]
    send("POST", "/v1/invitations/passkey/options", {"token": token})
    send("POST", "/v1/invitations/accept", {"token": token, "password": "fog over the old harbour"})
    return {"person": person, "role": role["role"]}


def release(api: Checked, key: Headers, article: str) -> dict[str, str]:
    """A release that was published, rolled back and scheduled."""
    made = make.ok(api.send("POST", "/v1/releases", json={"name": "Budget"}, headers=key), 201)["id"]
    url, any_version = f"/v1/releases/{made}", {**key, "If-Match": "*"}
    redirect = {"op": "create_redirect", "body": {"source": "/budget", "target": "/to"}}
    items = {"items": [{"op": "publish", "article": article}, redirect]}
    make.ok(api.send("PUT", f"{url}/items", json=items, headers=any_version))
    make.ok(api.send("PATCH", url, json={"note": "At ten."}, headers=any_version))
    make.ok(api.send("POST", f"{url}/previews", json={"hours": 1}, headers=key), 201)
    for verb in ("check", "publish", "rollback"):
        make.ok(api.send("POST", f"{url}/{verb}", headers=any_version))
    make.ok(api.send("PUT", f"{url}/schedule", json={"at": "2999-01-01T00:00:00Z"}, headers=any_version))
    make.ok(api.send("DELETE", f"{url}/schedule", headers=any_version))
    make.ok(api.send("POST", f"{url}/items", json={"items": items["items"][:1]}, headers=any_version))
    shown = make.ok(api.send("GET", f"{url}/items", headers=key))["data"]
    return {"release": made, "item": shown[0]["id"]}


def discuss(api: Checked, key: Headers, section: str, article: str) -> dict[str, str]:
    """What readers and moderators say of an article in a day; the ids of what they leave behind."""

    def send(method: str, url: str, body: Any = None, status: int = 200, headers: Headers | None = None) -> Any:
        return make.ok(api.send(method, url, json=body, headers=headers or {}), status)

    def decide(comment: dict[str, Any], action: str) -> None:
        send("POST", f"/v1/comments/{comment['id']}/{action}", {"reason": "Civil?"}, headers=key)

    any_version = {**key, "If-Match": "*"}
    for where in ("", f"/sections/{section}", f"/articles/{article}"):
        send("PUT", f"/v1{where}/discussion", {"prompt": "And you?"}, headers=any_version)
    guest = send("POST", "/v1/guests", status=201)
    ann = make.bearer(guest["guest_token"])
    url = f"/v1/articles/{article}/comments"
    words = {"text": "Well said.", "author": {"name": "Ann", "email": "ann@example.org"}}
    top = send("POST", url, {**words, "id": new_id()}, 201, ann)
    send("POST", url, {**words, "id": top["id"]}, 200, ann)
    send("POST", f"{url}?dry_run=true", {**words, "text": "Is it?"}, 200, ann)
    send("POST", url, {"text": "No.", "author": {"name": "Bo"}, "parent_id": top["id"]}, 201)
    other = send(
        "POST",
        url,
        {"text": "See https://a.example https://b.example https://c.example", "author": {"name": "Cy"}},
        201,
    )
    cy = make.bearer(other["guest_token"])
    send("PATCH", f"/v1/comments/{top['id']}", {"text": "Well said, all of it."}, headers=ann)
    send("PUT", f"/v1/comments/{top['id']}/vote", {"value": 1}, headers=cy)
    send("PUT", f"/v1/articles/{article}/reaction", {"value": "agree"}, headers=ann)
    for target in (f"/v1/comments/{top['id']}", f"/v1/articles/{article}"):
        send("POST", f"{target}/reports", {"reason": "other", "text": "Hm."}, 202, cy)
    reports = send("GET", "/v1/moderation/reports", headers=key)["data"]
    for report, end in zip(reports, ("dismiss", "uphold"), strict=True):
        send("POST", f"/v1/moderation/reports/{report['id']}/{end}", headers=key)
    send("POST", "/v1/moderation/queue/claim", {"limit": 5}, headers=key)
    first_word = other["text"].split()[0]
    send("POST", f"/v1/comments/{other['id']}/redact", {"passages": [first_word]}, headers=key)
    send("GET", f"/v1/comments/{other['id']}/revisions", headers=key)
    send("DELETE", f"/v1/comments/{other['id']}/redaction", headers=key)
    for action in ("approve", "reject", "spam", "restore", "remove", "restore"):
        decide(other, action)
    send("POST", "/v1/moderation/decisions", {"ids": [other["id"]], "action": "reject"}, headers=key)
    own = make.bearer(other["edit_token"])
    send("POST", f"/v1/comments/{other['id']}/appeal", {"text": "But why?"}, 201, own)
    send("GET", f"/v1/comments/{other['id']}/decision", headers=own)
    second = send("POST", "/v1/keys", {"name": "A second moderator", "scopes": ["comments:moderate"]}, 201, key)["key"]
    send("POST", f"/v1/comments/{other['id']}/appeal/decline", {"reason": "So."}, headers=make.bearer(second))
    send("PUT", f"/v1/comments/{top['id']}/featured", {"value": True}, headers=key)
    ban = send("POST", "/v1/bans", {"kind": "identity", "comment_id": other["id"]}, 201, key)
    send("GET", f"/v1/bans/{ban['id']}", headers=key)
    phrase = send("POST", "/v1/moderation/phrases", {"text": "cheap watches"}, 201, key)
    send("POST", "/v1/moderation/phrases/bulk", {"phrases": [{"text": "cheap bags"}]}, headers=key)
    send("GET", "/v1/moderation/queue?state=any", headers=key)
    send("PATCH", f"/v1/moderation/phrases/{phrase['id']}", {"action": "spam"}, headers=any_version)
    late = {"op": "post", "article": article, "id": new_id(), "comment": {"text": "From the train."}}
    send("POST", "/v1/sync/comments", {"operations": [late, {"op": "delete", "id": late["id"]}]}, headers=ann)
    send("GET", "/v1/me/data", headers=ann)
    send("GET", f"/v1/me/votes?article={article}", headers=ann)
    send("GET", f"/v1/counts?articles={article}")
    ids = {"comment": top["id"], "report": reports[0]["id"], "ban": ban["id"], "phrase": phrase["id"]}
    return ids | _look_at_a_commenter(api, key, top["author"]["id"])


def _look_at_a_commenter(api: Checked, key: Headers, participant: str) -> dict[str, str]:
    """What moderators note about somebody, do and undo, and the reasons that they give."""

    def send(method: str, url: str, body: Any = None, status: int = 200) -> Any:
        return make.ok(api.send(method, url, json=body, headers={**key, "If-Match": "*"}), status)

    url = f"/v1/moderation/people/{participant}"
    send("POST", f"{url}/notes", {"text": "Was warned."}, 201)
    action = send("POST", f"{url}/actions", {"ban": "shadow", "reason": "Again."}, 202)["id"]
    send("POST", f"{url}/actions/{action}/undo", {}, 202)
    canned = {"title": "Civility", "texts": {"en": "Please be civil."}}
    reason = send("POST", "/v1/moderation/reasons", canned, 201)["id"]
    send("PUT", f"/v1/moderation/reasons/{reason}", canned)
    return {"participant": participant, "action": action, "reason": reason}
