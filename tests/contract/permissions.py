"""The table of permissions: who may do what, in which state of the thing.

Every operation of the app has a row in `TABLE`, by its method and path. To add one for a new route:

- a route that anybody may call: `"GET /v1/things": [Anyone()]`;
- a route for one scope: `"GET /v1/things": [Needs("admin")]`, or `Needs("content:read", drafts=True)` where keys with
  `content:write` read as well;
- a route for one scope in the section of a comment or an article: `[Within("comments:moderate")]`;
- a route that reads an article: `[Reads()]` if it shows what its caller may see of the article, or
  `Reads("content:read")` if it needs a scope too;
- a route that changes something: one `Changes(…)` for each kind of body that matters, with the states of the article
  (or term) in which it needs `content:publish` (`publish=`), and those in which it answers something else than 2xx
  (`answers=`). `on=` names what stands in the path: "article", "section", "tag", "author", "series", "media", "notice".

Each cell is asked of callers with a scope, and of people with a role: everywhere, in the section of the thing, in one
around it, and in another one.

Besides the statuses, each accepted change is compared with what readers see before and after it, now and when all that
is set for a time has come; then it is undone. If that differs and the caller has no `content:publish`, the cell fails,
whatever its row says.
"""

from dataclasses import dataclass, field
from typing import Any

WRITE, PUBLISH, READ, MODERATE = "content:write", "content:publish", "content:read", "comments:moderate"
APPROVE = "content:approve"
SHOWN = frozenset({"scheduled", "published", "embargoed"})  # states in which readers see an article, or will
OUT = frozenset({"published", "embargoed", "expired"})  # the state is `published`
HIDDEN = frozenset({"draft", "scheduled", "embargoed", "expired", "unpublished"})
STATES = (*sorted(HIDDEN), "published", "retracted")
USED = frozenset({"used", "coming"})  # terms and pictures of articles that readers see, or will
NEVER = frozenset[str]()
NO = "0199aaaa-0000-7000-8000-000000000000"  # an id that nothing has


@dataclass(frozen=True)
class Anyone:
    """Open to all: no key is needed, and none is refused."""


@dataclass(frozen=True)
class Needs:
    """Open to keys with a scope, whatever it is about."""

    scope: str
    drafts: bool = False
    own: bool = False  # people who signed in may call it as well, about themselves


@dataclass(frozen=True)
class Within:
    """Open to those who have a scope in the section of a thing, in whatever state; to all others it is not there."""

    scope: str
    body: Any = None
    on: str = "comment"


@dataclass(frozen=True)
class Reads:
    """Shows what the caller may see of an article."""

    scope: str | None = None
    drafts: bool = True  # with a scope: whoever reads drafts may call it as well
    answers: dict[str, int] = field(default_factory=dict)
    public_alone: bool = False  # nobody is shown what is not public
    gone: int = 410  # what others than editors are told of a retracted article


@dataclass(frozen=True)
class Changes:
    """Changes something by a body."""

    scope: str
    body: Any = None
    on: str = "article"
    publish: frozenset[str] = NEVER  # the states in which it needs content:publish as well
    answers: dict[str, int] = field(default_factory=dict)  # by state, where it is not 2xx for those who may
    shared: bool = False  # keys that are limited to sections may not do it at all
    seen: bool = False  # 404 for what the caller does not see


Row = Anyone | Needs | Within | Reads | Changes
ANY, ADMIN, ADMIN_OR_SELF = [Anyone()], [Needs("admin")], [Needs("admin", own=True)]
MODERATES_COMMENT = [Within(MODERATE)]
MODERATES, HOOKS, SUBSCRIBERS = [Needs(MODERATE)], [Needs("webhooks:manage")], [Needs("subscribers:manage")]
WORDS = {"placement": "before", "text": "!"}
FUTURE, PAST = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


def wrong(*states: str, status: int = 409) -> dict[str, int]:
    """The answers in states that do not allow an action."""
    return dict.fromkeys(states, status)


def _rights(**rights: Any) -> dict[str, Any]:
    return {"rights": rights}


_UNCORRECTED = wrong(*HIDDEN, status=404) | wrong("retracted")
ARTICLES: dict[str, list[Row]] = {
    "GET /v1/articles": ANY,
    "GET /v1/articles/{article}": [Reads()],
    "GET /v1/articles/{article}.{suffix}": [Reads()],
    "GET /v1/articles/{article}/neighbours": [Reads()],
    "GET /v1/articles/{article}/related": [Reads()],
    "GET /v1/articles/{article}/anchors": [Reads()],
    "GET /v1/articles/{article}/comments": [Reads(public_alone=True)],
    "GET /v1/articles/{article}/discussion": [Reads(gone=404)],
    "GET /v1/articles/{article}/live": ANY,
    "GET /v1/articles/{article}/partners": [Within(READ, on="article")],
    "GET /v1/articles/{article}/ledger": [Within(READ, on="article")],
    "GET /v1/articles/{article}/previews": [Reads(READ)],
    "GET /v1/articles/{article}/revisions": [Reads(READ)],
    "GET /v1/articles/{article}/revisions/{n}": [Reads(READ)],
    "GET /v1/articles/{article}/revisions/{n}/diff": [Reads(READ)],
    "GET /v1/articles/{article}/schedule": [
        Reads(READ, answers=wrong(*(state for state in STATES if state != "scheduled"), status=404))
    ],
    "POST /v1/articles/bulk": [Needs(WRITE)],  # each operation asks what it needs itself
    "POST /v1/articles": [Changes(WRITE, {"title": "Another", "tags": ["A new tag"]}, on="nothing", shared=True)],
    "PATCH /v1/articles/{article}": [
        # the text waits for publishing, also where an earlier one is scheduled or public
        Changes(WRITE, {"title": "Other"}),
        Changes(WRITE, {"body": {"markdown": "Other."}, "dek": "Other", "language": "de", "type": "opinion"}),
        Changes(WRITE, {"tags": ["unused", "A new tag"], "authors": ["unused"], "section": "here", "image": None}),
        # facts hold at once
        Changes(WRITE, {"slug": "other"}, publish=SHOWN | {"retracted"}),
        Changes(WRITE, {"featured": True}, publish=SHOWN),
        Changes(WRITE, {"published_at": PAST}, publish=SHOWN | {"retracted"}),
        Changes(WRITE, _rights(usage_terms="None."), publish=SHOWN),
        Changes(WRITE, _rights(syndication="none", territory=["AT"], copyright_holder="X"), publish=SHOWN),
        Changes(WRITE, _rights(embargoed_until=None), publish=frozenset({"embargoed"})),
        Changes(WRITE, _rights(embargoed_until=FUTURE), publish=SHOWN, answers=wrong("expired", status=422)),
        Changes(WRITE, _rights(expires_at=None), publish=frozenset({"expired"})),
        Changes(WRITE, _rights(expires_at=FUTURE), publish=SHOWN | {"expired"}),
        Changes(WRITE, _rights(expires_at=PAST), publish=SHOWN - {"embargoed"}, answers=wrong("embargoed", status=422)),
        Changes(WRITE, _rights(embargoed_until=None, expires_at=None), publish=frozenset({"embargoed", "expired"})),
    ],
    "DELETE /v1/articles/{article}": [Changes(WRITE, answers=wrong(*(state for state in STATES if state != "draft")))],
    "POST /v1/articles/{article}/publish": [
        Changes(PUBLISH),
        Changes(PUBLISH, {"revision": 1}),
        Changes(PUBLISH, {"revision": 99}, answers=wrong(*STATES, status=422)),
    ],
    "POST /v1/articles/{article}/submit": [Changes(WRITE, {"note": "Please read."})],
    "POST /v1/articles/{article}/approve": [
        Changes(APPROVE, {"revision": 2}),
        Changes(APPROVE, {"revision": 99}, answers=wrong(*STATES, status=422)),
    ],
    "POST /v1/articles/{article}/return": [Changes(APPROVE, {"note": "Who says so?"})],
    "GET /v1/articles/{article}/approval": [Reads(READ)],
    "GET /v1/articles/{article}/notes": [Reads(READ)],
    "POST /v1/articles/{article}/notes": [Changes(WRITE, {"text": "Why?"})],
    "GET /v1/articles/{article}/lock": [Reads(READ, answers=dict.fromkeys(STATES, 404))],
    "PUT /v1/articles/{article}/lock": [Changes(WRITE)],
    "DELETE /v1/articles/{article}/lock": [Changes(WRITE)],
    "POST /v1/articles/{article}/unpublish": [
        Changes(PUBLISH, answers=wrong("draft", "scheduled", "unpublished", "retracted"))
    ],
    "POST /v1/articles/{article}/retract": [
        Changes(PUBLISH, {"reason": "Wrong."}, answers=wrong("draft", "scheduled", "retracted"))
    ],
    "PUT /v1/articles/{article}/schedule": [
        Changes(PUBLISH, {"at": FUTURE}, answers=wrong(*OUT, "retracted")),
        Changes(PUBLISH, {"at": FUTURE, "revision": 1}, answers=wrong(*OUT, "retracted")),
    ],
    "DELETE /v1/articles/{article}/schedule": [
        Changes(PUBLISH, answers=wrong(*(state for state in STATES if state != "scheduled")))
    ],
    "POST /v1/articles/{article}/corrections": [
        Changes(PUBLISH, {"text": "It was four."}, answers=wrong("draft", "scheduled", "retracted"))
    ],
    "GET /v1/articles/{article}/corrections/history": [Reads(READ)],
    "PATCH /v1/articles/{article}/corrections/{n}": [Changes(PUBLISH, {"text": "It was five."}, answers=_UNCORRECTED)],
    "DELETE /v1/articles/{article}/corrections/{n}": [Changes(PUBLISH, answers=_UNCORRECTED)],
    "POST /v1/articles/{article}/purge": [Needs("admin")],
    "PUT /v1/articles/{article}/partners": [Changes(PUBLISH, {"keys": []})],
    "PUT /v1/articles/{article}/related": [Changes(WRITE, {"ids": ["pinned"]}, publish=SHOWN)],
    "PUT /v1/articles/{article}/discussion": [
        # opening and closing is the moderators' work; the question is a text of the publication
        Changes(MODERATE, {"state": "closed"}, seen=True),
        Changes(MODERATE, {"prompt": "Well?"}, publish=SHOWN, seen=True),
    ],
    "POST /v1/articles/{article}/anchors": [
        Changes(
            WRITE,
            {"exact": "Once", "question": "Why?"},
            publish=SHOWN,
            answers=wrong(*(s for s in STATES if s != "published")),
        )
    ],
    "POST /v1/articles/{article}/previews": [Changes(WRITE, {"hours": 1})],
    "DELETE /v1/articles/{article}/previews/{preview_id}": [Changes(WRITE, answers=wrong(*STATES, status=404))],
    "POST /v1/articles/{article}/revisions/{n}/restore": [Changes(WRITE)],
    "POST /v1/articles/{article}/comments": ANY,
    "POST /v1/articles/{article}/reports": ANY,
    "PUT /v1/articles/{article}/reaction": ANY,
    "GET /v1/anchors/{anchor}": ANY,
    "PATCH /v1/anchors/{anchor}": [Changes(WRITE, {"question": "And now?"}, on="anchor", publish=USED)],
    "POST /v1/anchors/{anchor}/detach": [Changes(WRITE, on="anchor", publish=USED)],
    "POST /v1/anchors/{anchor}/redact": [Changes(WRITE, on="anchor", publish=USED)],
    "GET /v1/resolve": ANY,
    "GET /v1/search": ANY,
    "GET /v1/counts": ANY,
}


def _term(plural: str, name: str, *more: Row) -> dict[str, list[Row]]:
    path = f"/v1/{plural}/{{{name}}}"
    return {
        f"GET /v1/{plural}": ANY,
        f"GET {path}": ANY,
        f"POST /v1/{plural}": [Changes(WRITE, {"name": "New"}, on="nothing", shared=True)],
        f"PATCH {path}": [Changes(WRITE, {"name": "Other"}, on=name, publish=USED, shared=True), *more],
    }


TERMS: dict[str, list[Row]] = {
    **_term(
        "sections",
        "section",
        Changes(WRITE, {"slug": "other"}, on="section", publish=USED | {"unused"}, shared=True),
        Changes(WRITE, {"parent": "unused-2", "syndication": "none"}, on="section", publish=USED, shared=True),
    ),
    **_term("tags", "tag", Changes(WRITE, {"slug": "other"}, on="tag", publish=USED, shared=True)),
    **_term(
        "authors",
        "author",
        Changes(WRITE, {"slug": "other"}, on="author", publish=USED, shared=True),
        Changes(WRITE, {"bio_text": "Other.", "image": None}, on="author", publish=USED, shared=True),
    ),
    **_term("series", "series", Changes(WRITE, {"slug": "other"}, on="series", publish=USED, shared=True)),
    "DELETE /v1/sections/{section}": [
        Changes(WRITE, on="section", publish=USED | {"unused"}, answers=wrong(*USED), shared=True)
    ],
    "DELETE /v1/tags/{tag}": [Changes(WRITE, on="tag", answers=wrong(*USED), shared=True)],
    "DELETE /v1/authors/{author}": [Changes(WRITE, on="author", answers=wrong(*USED), shared=True)],
    "DELETE /v1/series/{series}": [Changes(WRITE, on="series", answers=wrong(*USED), shared=True)],
    **{f"POST /v1/{it}/merge": [Needs(PUBLISH)] for it in ("tags/{tag}", "authors/{author}", "series/{series}")},
    "GET /v1/merges/{merge}": [Needs(PUBLISH)],
    "GET /v1/discussion": ANY,
    "PUT /v1/discussion": [
        Changes(MODERATE, {"state": "closed"}, on="nothing", shared=True),
        Changes(MODERATE, {"prompt": "Well?"}, on="nothing", publish=frozenset({""}), shared=True),
    ],
    "GET /v1/sections/{section}/discussion": ANY,
    "PUT /v1/sections/{section}/discussion": [
        Changes(MODERATE, {"state": "closed"}, on="section"),
        Changes(MODERATE, {"prompt": "Well?"}, on="section", publish=USED),
    ],
    **{f"{verb} /v1/notes/{{note}}": [Needs(WRITE)] for verb in ("PATCH", "DELETE")},
    **{f"{verb} /v1/tasks/{{task}}": [Needs(WRITE)] for verb in ("PATCH", "DELETE")},
    "GET /v1/tasks": [Needs(READ, drafts=True)],
    "POST /v1/tasks": [Needs(WRITE)],
    "GET /v1/locks": [Needs(READ, drafts=True)],
    "GET /v1/editorial/live": [Needs(READ, drafts=True)],
    "GET /v1/approval": [Needs(READ, drafts=True)],
    "PUT /v1/approval": [Needs("admin")],
    "GET /v1/sections/{section}/approval": [Needs(READ, drafts=True)],
    "PUT /v1/sections/{section}/approval": [Needs("admin")],
    "GET /v1/notices": [Needs(READ, drafts=True)],
    "GET /v1/notices/{notice}": [Needs(READ, drafts=True)],
    "POST /v1/notices": [
        Changes(WRITE, {"scope": "site", **WORDS}, on="nothing", publish=frozenset({""}), shared=True),
        *(
            Changes(WRITE, {"scope": kind, **WORDS}, on=f"*{kind}", publish=USED)
            for kind in ("section", "series", "author")
        ),
        Changes(WRITE, {"scope": "article", **WORDS}, on="*article", publish=SHOWN),
    ],
    "PATCH /v1/notices/{notice}": [Changes(WRITE, {"text": "Other."}, on="notice", publish=USED)],
    "DELETE /v1/notices/{notice}": [Changes(WRITE, on="notice", publish=USED)],
    "GET /v1/media": [Needs(READ, drafts=True)],
    "GET /v1/media/{media}": [Needs(READ, drafts=True)],
    "GET /v1/media/{media}/uses": [Needs(READ, drafts=True)],
    "GET /v1/media/{media}/original": [Needs(READ, drafts=True)],
    "GET /v1/media/{media}/rendition": [Needs(READ, drafts=True)],
    "POST /v1/media": [Needs(WRITE)],
    "POST /v1/media/uploads": [Needs(WRITE)],
    "POST /v1/media/uploads/{upload}/finish": [Needs(WRITE)],
    "PUT /v1/media/uploads/{upload}/file": ANY,
    "PATCH /v1/media/{media}": [
        Changes(WRITE, {"alt": "Other", "caption": "Other"}, on="media", publish=USED, shared=True)
    ],
    "DELETE /v1/media/{media}": [
        Changes(WRITE, on="media", publish=USED | {"unused"}, answers=wrong(*USED), shared=True)
    ],
    "GET /media/{key:path}": ANY,
    "GET /media/{media:uuid}/{size}.{ending}": ANY,
    "GET /v1/fronts": ANY,
    "GET /v1/fronts/{front}": ANY,
    "GET /v1/fronts/{front}/definition": [Needs(READ)],
    "PUT /v1/fronts/{front}": [Changes(PUBLISH, {"title": "Home", "blocks": []}, on="front", shared=True)],
    "DELETE /v1/fronts/{front}": [Changes(PUBLISH, on="front", shared=True)],
    "GET /v1/site": ANY,
    "GET /v1/site/definition": [Needs(READ)],
    "PUT /v1/site": [Changes(PUBLISH, {"tagline": "Daily"}, on="nothing", shared=True)],
    "GET /v1/releases": [Needs(READ, drafts=True)],
    "GET /v1/releases/{release}": [Needs(READ, drafts=True)],
    "GET /v1/releases/{release}/items": [Needs(READ, drafts=True)],
    "POST /v1/releases": [Changes(WRITE, {"name": "Budget"}, on="nothing")],
    "PATCH /v1/releases/{release}": [Needs(WRITE)],  # what items need is asked for each: see tests/releases
    "DELETE /v1/releases/{release}": [Needs(WRITE)],
    "PUT /v1/releases/{release}/items": [Needs(WRITE)],
    "POST /v1/releases/{release}/items": [Needs(WRITE)],
    "DELETE /v1/releases/{release}/items/{item}": [Needs(WRITE)],
    "POST /v1/releases/{release}/check": [Needs(WRITE)],
    "POST /v1/releases/{release}/previews": [Needs(WRITE)],
    "GET /v1/releases/{release}/previews": [Needs(READ, drafts=True)],
    "DELETE /v1/releases/{release}/previews/{preview_id}": [Needs(WRITE)],
    "POST /v1/releases/{release}/publish": [Needs(PUBLISH)],
    "PUT /v1/releases/{release}/schedule": [Needs(PUBLISH)],
    "DELETE /v1/releases/{release}/schedule": [Needs(PUBLISH)],
    "POST /v1/releases/{release}/rollback": [Needs(PUBLISH)],
    "GET /v1/redirects": [Needs(READ)],
    "GET /v1/redirects.csv": [Needs(READ)],
    "GET /v1/redirects/{redirect}": [Needs(READ)],
    "POST /v1/redirects": [Changes(PUBLISH, {"source": "/old", "target": "/new"}, on="nothing", shared=True)],
    "POST /v1/redirects/import": [Needs(PUBLISH)],
    "PATCH /v1/redirects/{redirect}": [Changes(PUBLISH, {"target": "/new"}, on="redirect", shared=True)],
    "DELETE /v1/redirects/{redirect}": [Changes(PUBLISH, on="redirect", shared=True)],
}

OTHERS: dict[str, list[Row]] = {
    **dict.fromkeys(
        [
            "GET /",
            "GET /v1",
            "GET /robots.txt",
            "GET /problems",
            "GET /docs",
            "GET /docs/{script}",
            "GET /openapi.json",
            "GET /healthz",
            "GET /readyz",
            "GET /metrics",
            "GET /problems/{code}",
            "GET /feeds/archive/{month}.atom",
            "GET /feeds/articles/{article}/comments.{form}",
            "GET /feeds/authors/{author}.{form}",
            "GET /feeds/sections/{section}.{form}",
            "GET /feeds/site.{form}",
            "GET /feeds/tags/{tag}.{form}",
            "POST /hub",
            "GET /oembed",
            "GET /sitemap-news.xml",
            "GET /sitemap-{part}.xml",
            "GET /sitemap.xml",
            "GET /v1/changes",
            "GET /v1/export.ndjson",
            "GET /v1/comments/{comment}",
            "PATCH /v1/comments/{comment}",
            "DELETE /v1/comments/{comment}",
            "POST /v1/comments/{comment}/appeal",
            "GET /v1/comments/{comment}/decision",
            "GET /v1/comments/{comment}/replies",
            "POST /v1/comments/{comment}/reports",
            "PUT /v1/comments/{comment}/vote",
            "POST /v1/guests",
            "DELETE /v1/me/data",
            "GET /v1/me/data",
            "GET /v1/me/comments",
            "GET /v1/me/replies",
            "GET /v1/me/votes",
            "GET /v1/subscriptions",
            "POST /v1/subscriptions",
            "POST /v1/subscriptions/confirm",
            "POST /v1/subscriptions/rotate",
            "DELETE /v1/subscriptions/{subscription}",
            "PATCH /v1/subscriptions/{subscription}",
            "GET /v1/unsubscribe/{token}",
            "POST /v1/unsubscribe/{token}",
            "POST /v1/sync/comments",
            "GET /v1/whoami",
            "GET /v1/sign-in",
            "POST /v1/sign-in/oidc",
            "POST /v1/sign-in/oidc/finish",
            "POST /v1/sign-in/oidc/{provider}/logout",
            "POST /v1/sign-in/refresh",
            "POST /v1/sign-in/password",
            "POST /v1/sign-in/passkey",
            "POST /v1/sign-in/passkey/options",
            "POST /v1/invitations/accept",
            "POST /v1/invitations/passkey/options",
        ],
        ANY,
    ),
    "GET /v1/people": [Needs(WRITE)],
    "GET /v1/roles": [Needs(WRITE)],
    "GET /v1/roles/{role}": [Needs(WRITE)],
    "GET /v1/people/{person}": [Needs(WRITE, own=True)],
    **dict.fromkeys(
        [
            "POST /v1/people",
            "DELETE /v1/people/{person}",
            "POST /v1/people/{person}/invitations",
            "PUT /v1/people/{person}/grants",
            "POST /v1/roles",
            "PATCH /v1/roles/{role}",
            "DELETE /v1/roles/{role}",
        ],
        ADMIN,
    ),
    **dict.fromkeys(
        [
            "PUT /v1/people/{person}/password",
            "DELETE /v1/people/{person}/password",
            "POST /v1/people/{person}/totp",
            "PUT /v1/people/{person}/totp",
            "DELETE /v1/people/{person}/totp",
            "GET /v1/people/{person}/passkeys",
            "POST /v1/people/{person}/passkeys",
            "POST /v1/people/{person}/passkeys/options",
            "DELETE /v1/people/{person}/passkeys/{passkey}",
            "PATCH /v1/people/{person}",
            "GET /v1/people/{person}/sessions",
            "DELETE /v1/people/{person}/sessions",
            "DELETE /v1/people/{person}/sessions/{session}",
            "GET /v1/people/{person}/identities",
            "POST /v1/people/{person}/identities",
            "DELETE /v1/people/{person}/identities/{identity}",
            "POST /v1/sign-out",
        ],
        ADMIN_OR_SELF,
    ),
    **dict.fromkeys(
        [
            "GET /v1/bans",
            "POST /v1/bans",
            "DELETE /v1/bans/{ban}",
            "GET /v1/bans/{ban}",
            "POST /v1/moderation/decisions",
            "GET /v1/moderation/log",
            "GET /v1/moderation/phrases",
            "POST /v1/moderation/phrases",
            "POST /v1/moderation/phrases/bulk",
            "DELETE /v1/moderation/phrases/{phrase}",
            "GET /v1/moderation/phrases/{phrase}",
            "PATCH /v1/moderation/phrases/{phrase}",
            "GET /v1/moderation/people/{participant}",
            "GET /v1/moderation/people/{participant}/comments",
            "GET /v1/moderation/people/{participant}/reports",
            "GET /v1/moderation/people/{participant}/notes",
            "POST /v1/moderation/people/{participant}/notes",
            "DELETE /v1/moderation/people/{participant}/notes/{note}",
            "GET /v1/moderation/people/{participant}/actions",
            "POST /v1/moderation/people/{participant}/actions",
            "GET /v1/moderation/people/{participant}/actions/{action}",
            "POST /v1/moderation/people/{participant}/actions/{action}/undo",
            "GET /v1/moderation/reasons",
            "POST /v1/moderation/reasons",
            "GET /v1/moderation/reasons/{reason}",
            "PUT /v1/moderation/reasons/{reason}",
            "DELETE /v1/moderation/reasons/{reason}",
            "GET /v1/moderation/live",
            "GET /v1/moderation/transparency",
            "GET /v1/moderation/queue",
            "GET /v1/moderation/queue/counts",
            "POST /v1/moderation/queue/claim",
            "GET /v1/moderation/reports",
        ],
        MODERATES,
    ),
    **dict.fromkeys(
        [
            "POST /v1/comments/{comment}/appeal/decline",
            "POST /v1/comments/{comment}/approve",
            "POST /v1/comments/{comment}/reject",
            "POST /v1/comments/{comment}/remove",
            "POST /v1/comments/{comment}/restore",
            "POST /v1/comments/{comment}/spam",
            "DELETE /v1/comments/{comment}/redaction",
            "GET /v1/comments/{comment}/revisions",
            "DELETE /v1/moderation/queue/{comment}/lease",
        ],
        MODERATES_COMMENT,
    ),
    "PUT /v1/comments/{comment}/featured": [Within(MODERATE, {"value": True})],
    "POST /v1/comments/{comment}/redact": [Within(MODERATE, {"passages": ["Well"]})],
    "POST /v1/moderation/reports/{report}/dismiss": [Within(MODERATE, on="report")],
    "POST /v1/moderation/reports/{report}/uphold": [Within(MODERATE, on="report")],
    **dict.fromkeys(
        [
            "GET /v1/webhooks",
            "POST /v1/webhooks",
            "DELETE /v1/webhooks/{webhook}",
            "GET /v1/webhooks/{webhook}",
            "PATCH /v1/webhooks/{webhook}",
            "GET /v1/webhooks/{webhook}/deliveries",
            "POST /v1/webhooks/{webhook}/deliveries/{delivery}/redeliver",
            "POST /v1/webhooks/{webhook}/replay",
            "POST /v1/webhooks/{webhook}/rotate",
            "POST /v1/webhooks/{webhook}/test",
        ],
        HOOKS,
    ),
    **dict.fromkeys(
        [
            "GET /v1/subscribers",
            "DELETE /v1/subscribers/{subscriber}",
            "GET /v1/subscribers/{subscriber}",
            "GET /v1/suppressions",
            "POST /v1/suppressions",
            "DELETE /v1/suppressions/{suppression}",
        ],
        SUBSCRIBERS,
    ),
    **dict.fromkeys(
        [
            "GET /v1/audit",
            "GET /v1/keys",
            "POST /v1/keys",
            "DELETE /v1/keys/{key_id}",
            "PATCH /v1/keys/{key_id}",
            "GET /v1/keys/{key_id}",
            "POST /v1/persons/erase",
            "POST /v1/persons/export",
        ],
        ADMIN,
    ),
    "GET /v1/embargoed": [Needs("syndicate")],
    "GET /v1/live": [Needs("syndicate")],
}

TABLE: dict[str, list[Row]] = {**ARTICLES, **TERMS, **OTHERS}
