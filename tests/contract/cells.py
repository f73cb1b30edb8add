"""What operations that need one scope ask for beside it: in which sections, and of whose things.

Every operation with a row `Needs` in `permissions.TABLE` has its cells here. A cell is a request about one thing, with
what a caller must have so that it is not refused; the rules are those of `docs/how-to/give-roles.md`:

- what all sections share, is changed by callers who have the scope everywhere, and read by callers who have it at all,
  unless it tells of what other sections do;
- what belongs to a section, is for callers who have the scope there; what belongs to several, for those who have it in
  all of them, to be changed, or in one of them, to be read;
- what people write for colleagues, has an author, who may do more than others;
- what belongs to no section, is changed by its author, and by callers who have the scope everywhere.

Things are named `{kind}_{place}_{owner}`, with the places `here`, `there`, `both`, `shared` and `none`, and the owners
`mine` and `theirs`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tests.contract.permissions import MODERATE, NO, PUBLISH, READ, WRITE

HOOKS, SUBSCRIBERS, ADMIN = "webhooks:manage", "subscribers:manage", "admin"
LATER = "2999-01-01T00:00:00Z"
PUBLISH_DRAFT = {"op": "publish", "article": "draft"}
PUT_FRONT = {"op": "front", "front": "home", "body": {"title": "F", "blocks": []}}


class Who(Protocol):
    """A caller, by what they have where."""

    is_person: bool

    def has(self, scope: str, place: str) -> bool:
        """Whether the caller has a scope in a place; `content:read` comes with writing."""


Rule = Callable[[Who, str, str], bool]
"""Whether a caller may do this with a thing at a place, of an owner."""


@dataclass(frozen=True)
class Cell:
    """A request, and who may send it."""

    may: Rule
    thing: str = ""  # whose id stands in the path, beside the things that are always there
    body: Any = None
    query: str = ""
    shows: str = ""  # the kind whose names a list shows to those who may read them, and to nobody else
    content: bytes | None = None


def anywhere(*scopes: str) -> Rule:
    """With one of the scopes, in whatever section."""
    return lambda who, _place, _owner: any(who.has(scope, "any") for scope in scopes)


def everywhere(scope: str) -> Rule:
    return lambda who, _place, _owner: who.has(scope, "all")


def there(scope: str) -> Rule:
    """In all the places where the thing is."""
    return lambda who, place, _owner: who.has(scope, place)


def of_author(scope: str) -> Rule:
    """In the place, and only one's own; an administrator's are all."""
    return lambda who, place, owner: who.has(scope, place) and (owner == "mine" or who.has(ADMIN, "all"))


def _reads_release(who: Who, place: str, owner: str) -> bool:
    if not who.has(READ, "any"):
        return False
    if owner == "mine" or place == "none":
        return True
    return who.has(READ, "here") or who.has(READ, "there") if place == "both" else who.has(READ, place)


def _checks_release(who: Who, place: str, owner: str) -> bool:
    return who.has(WRITE, "any") and (owner == "mine" or place == "none" or _reads_release(who, place, owner))


def _adds_draft(who: Who, _place: str, _owner: str) -> bool:
    return who.has(WRITE, "here") and who.has(READ, "here")


def _takes_first_item(who: Who, place: str, _owner: str) -> bool:
    return who.has(WRITE, "here" if place == "both" else place)


def _follows_events(who: Who, _place: str, _owner: str) -> bool:
    return who.has("syndicate", "any") or who.has(MODERATE, "any")


def _changes_release(scope: str) -> Rule:
    return lambda who, place, _owner: who.has(scope, "any" if place == "none" else place)


def _changes_task(who: Who, place: str, owner: str) -> bool:
    return who.has(WRITE, "any" if (place, owner) == ("none", "mine") else place)


def _own_or_everywhere(who: Who, place: str, owner: str) -> bool:
    return who.has(MODERATE, place) and (owner == "mine" or who.has(MODERATE, "all"))


def _self_or_admin(who: Who, _place: str, owner: str) -> bool:
    return who.has(ADMIN, "all") or (who.is_person and owner == "mine")


def _self(who: Who, _place: str, owner: str) -> bool:
    return who.is_person and owner == "mine"


def _colleague(who: Who, _place: str, owner: str) -> bool:
    return who.has(WRITE, "any") or who.has(MODERATE, "any") or (who.is_person and owner == "mine")


TASKS = ("task_here_mine", "task_here_theirs", "task_none_mine", "task_none_theirs")
NOTES = ("note_here_mine", "note_here_theirs")
RELEASES = (
    *("release_here_mine", "release_here_theirs", "release_both_theirs", "release_shared_theirs"),
    *("release_shared_mine", "release_none_theirs"),
)
FILLED = tuple(name for name in RELEASES if "none" not in name)
PEOPLE = ("person_all_mine", "person_all_theirs")
NOTICE, BANS = "notice_here_theirs", ("ban_here_theirs", "ban_shared_theirs")
ACTIONS = ("action_here_mine", "action_here_theirs", "action_all_theirs")
PARTICIPANT, REMARKS = "participant_here_theirs", ("remark_here_mine", "remark_here_theirs")


def _each(things: tuple[str, ...], may: Rule, **fields: Any) -> list[Cell]:
    return [Cell(may, thing, **fields) for thing in things]


def _reads(*operations: str, scope: str) -> dict[str, list[Cell]]:
    return {operation: [Cell(anywhere(scope))] for operation in operations}


def _shared(scope: str, **bodies: Any) -> dict[str, list[Cell]]:
    return {operation: [Cell(everywhere(scope), body=body)] for operation, body in bodies.items()}


EDITORIAL: dict[str, list[Cell]] = {
    "PATCH /v1/notes/{note}": [
        *_each(NOTES, there(WRITE), body={"done": True}),
        *_each(NOTES, lambda who, place, owner: who.has(WRITE, place) and owner == "mine", body={"text": "Who?"}),
    ],
    "DELETE /v1/notes/{note}": _each(NOTES, of_author(WRITE)),
    "GET /v1/tasks": [Cell(anywhere(READ), shows="task")],
    "POST /v1/tasks": [
        Cell(anywhere(WRITE), body={"title": "Ask"}),
        Cell(there(WRITE), "article_here_theirs", body={"title": "Ask", "article": "draft"}),
    ],
    "PATCH /v1/tasks/{task}": _each(TASKS, _changes_task, body={"done": True}),
    "DELETE /v1/tasks/{task}": _each(TASKS, _changes_task),
    "GET /v1/locks": [Cell(anywhere(READ), shows="lock")],
    "GET /v1/editorial/live": [Cell(anywhere(READ))],
    "GET /v1/notices": [Cell(anywhere(READ), shows="notice")],
    "GET /v1/notices/{notice}": [Cell(there(READ), NOTICE)],
    "GET /v1/media/{media}/uses": [Cell(anywhere(READ), shows="use")],
    "GET /v1/releases": [Cell(anywhere(READ), shows="release")],
    **{f"GET /v1/releases/{{release}}{path}": _each(RELEASES, _reads_release) for path in ("", "/items", "/previews")},
    "POST /v1/releases/{release}/check": _each(RELEASES, _checks_release),
    "PATCH /v1/releases/{release}": _each(RELEASES, _changes_release(WRITE), body={"name": "New"}),
    "DELETE /v1/releases/{release}": _each(RELEASES, _changes_release(WRITE)),
    "PUT /v1/releases/{release}/items": _each(RELEASES, _changes_release(WRITE), body={"items": []}),
    "POST /v1/releases/{release}/items": [
        *_each(RELEASES, _adds_draft, body={"items": [PUBLISH_DRAFT]}),
        *_each(RELEASES[:1], everywhere(WRITE), body={"items": [PUT_FRONT]}),
    ],
    "DELETE /v1/releases/{release}/items/{item}": _each(FILLED, _takes_first_item),
    "POST /v1/releases/{release}/previews": _each(RELEASES, _changes_release(WRITE), body={"hours": 1}),
    "DELETE /v1/releases/{release}/previews/{preview_id}": _each(RELEASES, _changes_release(WRITE)),
    "POST /v1/releases/{release}/publish": _each(FILLED, _changes_release(PUBLISH)),
    "PUT /v1/releases/{release}/schedule": _each(FILLED, _changes_release(PUBLISH), body={"at": LATER}),
    "DELETE /v1/releases/{release}/schedule": [Cell(_changes_release(PUBLISH), "scheduled_both_theirs")],
    "POST /v1/releases/{release}/rollback": [Cell(_changes_release(PUBLISH), "published_here_theirs")],
}
SHARED: dict[str, list[Cell]] = {
    **_reads(
        "GET /v1/approval", "GET /v1/sections/{section}/approval", "GET /v1/media", "GET /v1/media/{media}", scope=READ
    ),
    **_reads("GET /v1/media/{media}/original", "GET /v1/media/{media}/rendition", scope=READ),
    **_reads("GET /v1/redirects", "GET /v1/redirects.csv", "GET /v1/redirects/{redirect}", scope="only content:read"),
    **_reads("GET /v1/site/definition", scope="only content:read"),
    **_reads("POST /v1/media", "POST /v1/media/uploads", "POST /v1/media/uploads/{upload}/finish", scope=WRITE),
    **_reads("GET /v1/merges/{merge}", scope=PUBLISH),
    **_reads("GET /v1/embargoed", scope="syndicate"),
    "GET /v1/live": [Cell(_follows_events)],
    "POST /v1/articles/bulk": [Cell(anywhere(WRITE, "content:approve"), body={"operations": []})],
    "GET /v1/fronts/{front}/definition": [Cell(everywhere("only content:read"))],
    **{
        f"POST /v1/{kind}/merge": [Cell(everywhere(PUBLISH), body={"into": None})]
        for kind in ("tags/{tag}", "authors/{author}", "series/{series}")
    },
    "POST /v1/redirects/import": [Cell(everywhere(PUBLISH), content=b"source,target,status\n/a,/b,301\n")],
    **_shared(
        ADMIN,
        **{
            "PUT /v1/approval": {"required": False},
            "PUT /v1/sections/{section}/approval": {"required": False},
            "POST /v1/articles/{article}/purge": {"reason": "By court order."},
            "POST /v1/people": {"name": "New", "email": "new@example.com"},
            "DELETE /v1/people/{person}": None,
            "POST /v1/people/{person}/invitations": None,
            "PUT /v1/people/{person}/grants": [],
            "POST /v1/roles": {"role": "new", "name": "New", "scopes": ["content:read"]},
            "PATCH /v1/roles/{role}": {"name": "Other"},
            "DELETE /v1/roles/{role}": None,
            "GET /v1/audit": None,
            "GET /v1/keys": None,
            "POST /v1/keys": {"name": "New", "scopes": ["content:read"]},
            "DELETE /v1/keys/{key_id}": None,
            "PATCH /v1/keys/{key_id}": {"name": "Other"},
            "GET /v1/keys/{key_id}": None,
            "POST /v1/persons/erase": {"email": "a@example.com"},
            "POST /v1/persons/export": {"email": "a@example.com"},
        },
    ),
    **_shared(
        HOOKS,
        **{
            "GET /v1/webhooks": None,
            "POST /v1/webhooks": {"url": "https://hooks.example/", "events": ["article.published"]},
            "DELETE /v1/webhooks/{webhook}": None,
            "GET /v1/webhooks/{webhook}": None,
            "PATCH /v1/webhooks/{webhook}": {"description": "Ours"},
            "GET /v1/webhooks/{webhook}/deliveries": None,
            "POST /v1/webhooks/{webhook}/deliveries/{delivery}/redeliver": None,
            "POST /v1/webhooks/{webhook}/replay": {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
            "POST /v1/webhooks/{webhook}/rotate": {"overlap_hours": 1},
            "POST /v1/webhooks/{webhook}/test": None,
        },
    ),
    **_shared(
        SUBSCRIBERS,
        **{
            "GET /v1/subscribers": None,
            "DELETE /v1/subscribers/{subscriber}": None,
            "GET /v1/subscribers/{subscriber}": None,
            "GET /v1/suppressions": None,
            "POST /v1/suppressions": {"email": "no@example.com"},
            "DELETE /v1/suppressions/{suppression}": None,
        },
    ),
}
STAFF: dict[str, list[Cell]] = {
    **_reads("GET /v1/roles", "GET /v1/roles/{role}", "GET /v1/people", scope="colleague"),
    "GET /v1/people/{person}": _each(PEOPLE, _colleague),
    "PUT /v1/people/{person}/password": _each(PEOPLE, _self, body={"password": "correct horse battery"}),
    "DELETE /v1/people/{person}/password": _each(PEOPLE, _self_or_admin),
    "POST /v1/people/{person}/totp": _each(PEOPLE, _self),
    "PUT /v1/people/{person}/totp": _each(PEOPLE, _self, body={"code": "000000"}),
    "DELETE /v1/people/{person}/totp": _each(PEOPLE, _self_or_admin),
    "GET /v1/people/{person}/passkeys": _each(PEOPLE, _self_or_admin),
    "POST /v1/people/{person}/passkeys": _each(PEOPLE, _self, body={"name": "Key", "credential": {}}),
    "POST /v1/people/{person}/passkeys/options": _each(PEOPLE, _self),
    "DELETE /v1/people/{person}/passkeys/{passkey}": _each(PEOPLE, _self_or_admin),
    "PATCH /v1/people/{person}": [
        *_each(PEOPLE, _self_or_admin, body={"name": "Other"}),
        *_each(PEOPLE, everywhere(ADMIN), body={"email": "other@example.com"}),
        *_each(PEOPLE[1:], everywhere(ADMIN), body={"suspended": True}),
    ],
    "GET /v1/people/{person}/sessions": _each(PEOPLE, _self_or_admin),
    "DELETE /v1/people/{person}/sessions": _each(PEOPLE, _self_or_admin),
    "DELETE /v1/people/{person}/sessions/{session}": _each(PEOPLE, _self_or_admin),
    "GET /v1/people/{person}/identities": _each(PEOPLE, _self_or_admin),
    "POST /v1/people/{person}/identities": _each(PEOPLE, _self, body={"binding": "bo_x", "state": "x", "code": "x"}),
    "DELETE /v1/people/{person}/identities/{identity}": _each(PEOPLE, _self_or_admin),
    "POST /v1/sign-out": [Cell(lambda who, _place, _owner: who.is_person)],
}
MODERATION: dict[str, list[Cell]] = {
    "GET /v1/bans": [Cell(anywhere(MODERATE), shows="ban")],
    "GET /v1/bans/{ban}": _each(BANS, there(MODERATE)),
    "POST /v1/moderation/decisions": [Cell(anywhere(MODERATE), body={"ids": [NO], "action": "reject"})],
    "GET /v1/moderation/log": [Cell(anywhere(MODERATE), shows="decision")],
    **_reads("GET /v1/moderation/phrases", "GET /v1/moderation/phrases/{phrase}", scope=MODERATE),
    **_reads("GET /v1/moderation/reasons", "GET /v1/moderation/reasons/{reason}", scope=MODERATE),
    **_shared(
        MODERATE,
        **{
            "POST /v1/bans": {"kind": "email", "value": "bad@mail.example"},
            "DELETE /v1/bans/{ban}": None,
            "POST /v1/moderation/phrases": {"text": "never this"},
            "POST /v1/moderation/phrases/bulk": {"phrases": [{"text": "nor this"}]},
            "PATCH /v1/moderation/phrases/{phrase}": {"action": "reject"},
            "DELETE /v1/moderation/phrases/{phrase}": None,
            "POST /v1/moderation/reasons": {"title": "New", "texts": {"en": "No."}},
            "PUT /v1/moderation/reasons/{reason}": {"title": "Other", "texts": {"en": "No."}},
            "DELETE /v1/moderation/reasons/{reason}": None,
        },
    ),
    "GET /v1/moderation/transparency": [Cell(everywhere(MODERATE), query="from=2026-01-01&until=2026-02-01")],
    **{
        f"GET /v1/moderation/people/{{participant}}{path}": [Cell(there(MODERATE), PARTICIPANT, shows=shows)]
        for path, shows in (
            ("", ""),
            ("/comments", "comment"),
            ("/reports", "report"),
            ("/notes", "remark"),
            ("/actions", "action"),
        )
    },
    "POST /v1/moderation/people/{participant}/notes": [Cell(there(MODERATE), PARTICIPANT, body={"text": "Again."})],
    "DELETE /v1/moderation/people/{participant}/notes/{note}": _each(REMARKS, _own_or_everywhere),
    "POST /v1/moderation/people/{participant}/actions": [
        Cell(there(MODERATE), PARTICIPANT, body={"remove_all": True}),
        Cell(everywhere(MODERATE), PARTICIPANT, body={"ban": "shadow"}),
        Cell(everywhere(MODERATE), PARTICIPANT, body={"ban": "full", "remove_all": True}),
    ],
    "GET /v1/moderation/people/{participant}/actions/{action}": _each(ACTIONS, there(MODERATE)),
    "POST /v1/moderation/people/{participant}/actions/{action}/undo": _each(ACTIONS, there(MODERATE)),
    "GET /v1/moderation/live": [Cell(anywhere(MODERATE))],
    "GET /v1/moderation/queue": [Cell(anywhere(MODERATE), shows="comment")],
    "GET /v1/moderation/queue/counts": [Cell(anywhere(MODERATE))],
    "POST /v1/moderation/queue/claim": [Cell(anywhere(MODERATE), body={}, shows="comment")],
    "GET /v1/moderation/reports": [Cell(anywhere(MODERATE), shows="report")],
}
CELLS: dict[str, list[Cell]] = {**EDITORIAL, **SHARED, **STAFF, **MODERATION}
READABLE: dict[str, Callable[[Who, str, str], bool]] = {
    "task": lambda who, place, _: who.has(READ, "any" if place == "none" else place),
    "lock": there(READ),
    "notice": there(READ),
    "use": there(READ),
    "release": _reads_release,
    "ban": there(MODERATE),
    "decision": there(MODERATE),
    "comment": there(MODERATE),
    "report": there(MODERATE),
    "remark": _own_or_everywhere,
    "action": _own_or_everywhere,
}
"""Who finds a thing of a kind in lists."""
