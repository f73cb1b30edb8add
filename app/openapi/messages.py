"""Schemas of the messages that this server sends, webhooks and live streams, derived from the events of the log."""

from typing import get_args, get_type_hints

from app.comments.schemas import CommentOut
from app.core.models import BaseModel
from app.events.catalog import EVENTS
from app.events.staff_events import EDITORIAL_TYPES, MODERATION_TYPES
from app.live.schemas import TYPES as LIVE_TYPES
from app.live.schemas import LiveArticleOut, LiveCountsOut, LiveRemovedOut
from app.web.openapi import SCHEMAS, Node, add_model, schema_of
from app.webhooks.schemas import PAYLOAD_MEMBERS, TEST_EVENT, EventType

# Types of events whose messages have the same members, by the name of their schema.
MESSAGES: dict[str, tuple[str, ...]] = {
    "ArticlePublishedMessage": ("article.published",),
    "ArticleUpdatedMessage": ("article.updated",),
    "ArticleCorrectedMessage": ("article.corrected", "article.correction_changed"),
    "CorrectionWithdrawnMessage": ("article.correction_withdrawn",),
    "ArticleUnpublishedMessage": ("article.unpublished",),
    "ArticleRetractedMessage": ("article.retracted",),
    "AnchorsResolvedMessage": ("article.anchors_resolved",),
    "ArticleReportedMessage": ("article.reported",),
    "CommentMessage": ("comment.published", "comment.edited", "comment.removed", "comment.voted"),
    "CommentHeldMessage": ("comment.pending", "comment.held"),
    "CommentReportedMessage": ("comment.reported",),
    "CommentAppealedMessage": ("comment.appealed",),
    "CommentClaimedMessage": ("comment.claimed",),
    "CommentDecidedMessage": ("comment.decided",),
    "ApprovalMessage": ("article.submitted", "article.approved", "article.returned"),
    "ArticleHeldMessage": ("article.held",),
    "NoteCreatedMessage": ("note.created",),
    "NoteChangedMessage": ("note.changed",),
    "NoteDeletedMessage": ("note.deleted",),
    "TaskMessage": ("task.created", "task.due"),
    "TaskChangedMessage": ("task.changed",),
    "TaskDeletedMessage": ("task.deleted",),
    "LockTakenMessage": ("lock.taken",),
    "LockReleasedMessage": ("lock.released",),
    "DiscussionMessage": ("discussion.changed",),
    "TermChangedMessage": ("section.changed", "tag.changed", "author.changed", "series.changed"),
    "TermDeletedMessage": ("section.deleted", "tag.deleted", "author.deleted", "series.deleted"),
    "SubjectMessage": (
        "article.purged",
        "article.reacted",
        "notice.changed",
        "notice.deleted",
        "media.changed",
        "media.deleted",
        "site.changed",
    ),
    "RedirectsMessage": ("redirects.changed",),
    "ReleaseMessage": ("release.published", "release.rolled_back"),
    "ReleaseFailedMessage": ("release.failed",),
    "TestMessage": (TEST_EVENT,),
}
_TEST = "A test message, sent on request; `id` is that of the webhook."
_STREAMS: dict[str, list[tuple[str, type[BaseModel]]]] = {
    "ArticleStreamEvent": [
        ("comment.published", CommentOut),
        ("comment.edited", CommentOut),
        ("comment.removed", LiveRemovedOut),
        ("counts", LiveCountsOut),
        ("article.updated", LiveArticleOut),
    ]
}
_TIME = {"type": "string", "format": "date-time"}
_EVENT_DATA: Node = {
    "type": "object",
    "description": "The members of all messages; streams send more.",
    "properties": {
        "id": {"type": "string", "description": "Id of the subject of the event."},
        "position": {"type": "string", "description": "Position of the event in the log."},
        "cache_groups": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Cache groups to purge.",
        },
        "etag": {"type": ["string", "null"], "description": "Of webhooks: the ETag of the public resource."},
        "person_id": {
            "type": ["string", "null"],
            "description": "Of webhooks whose events an administrator set: the person of the staff who caused it.",
        },
    },
    "required": ["id"],
}


def _fields(name: str) -> dict[str, Node]:
    """Return the schemas of the members of a message, which are equal for all types of one schema."""
    if name == TEST_EVENT:
        return {}
    kind = EVENTS[name]
    hints = get_type_hints(kind)
    members = (
        PAYLOAD_MEMBERS.get(name, PAYLOAD_MEMBERS[name.partition(".")[0]])
        if name in get_args(EventType)
        else ("revision",)
    )
    return {member: schema_of(hints[member]) for member in members if member in hints}


def _message(name: str, types: tuple[str, ...]) -> Node:
    fields = _fields(types[0])
    if any(_fields(each) != fields for each in types):
        raise ValueError(f"messages of {', '.join(types)} have different members: {name} cannot describe them")
    data: Node = {"$ref": f"{SCHEMAS}EventData"}
    if fields:
        data = {"allOf": [data, {"type": "object", "properties": fields, "required": list(fields)}]}
    kind = {"const": types[0], "type": "string"} if len(types) == 1 else {"enum": list(types), "type": "string"}
    return {
        "type": "object",
        "description": "A webhook message or stream event.",
        "properties": {"type": kind, "timestamp": _TIME, "data": data},
        "required": ["type", "timestamp", "data"],
    }


def _reference(name: str) -> Node:
    return {"$ref": f"{SCHEMAS}{name}"}


def _webhook(name: str, schema: str) -> Node:
    words = [word for part in name.split(".") for word in part.split("_")]
    text = _TEST if name == TEST_EVENT else (EVENTS[name].__doc__ or "").partition("\n")[0]
    return {
        "post": {
            "operationId": "on" + "".join(map(str.title, words)),
            "summary": " ".join(words).capitalize(),
            "description": text,
            "security": [],
            "requestBody": {"required": True, "content": {"application/json": {"schema": _reference(schema)}}},
            "responses": {"2XX": {"description": "Received."}},
        }
    }


def _set_stream(document: Node, path: str, schema: str) -> None:
    """Describe the events in the text of a stream."""
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["text/event-stream"]
    content["schema"] |= {"contentMediaType": "text/event-stream", "contentSchema": _reference(schema)}


def add_messages(document: Node) -> None:
    """Add the webhooks and the events of streams, with their schemas."""
    schemas = document["components"]["schemas"]
    schemas["EventData"] = _EVENT_DATA
    for name, types in MESSAGES.items():
        schemas[name] = _message(name, types)
    names = {each: name for name, types in MESSAGES.items() for each in types}
    document["webhooks"] = {each: _webhook(each, names[each]) for each in (*get_args(EventType), TEST_EVENT)}
    for name, events in _STREAMS.items():
        kinds = []
        for event, model in events:
            add_model(document, model)
            fields = {"event": {"const": event, "type": "string"}, "data": _reference(model.__name__)}
            kinds.append({"type": "object", "properties": fields, "required": ["event", "data"]})
        schemas[name] = {"description": "An event of an article's stream, its `data` read as JSON.", "oneOf": kinds}
    site_schemas = sorted({names[each] for each in LIVE_TYPES} | {names[each] for each in MODERATION_TYPES})
    schemas["SiteStreamEvent"] = {
        "description": "The `data` of an event of the publication's stream, which is named by its `type`.",
        "oneOf": [_reference(name) for name in site_schemas],
    }
    for whose, types in (("Moderation", MODERATION_TYPES), ("Editorial", EDITORIAL_TYPES)):
        schemas[f"{whose}StreamEvent"] = {
            "description": f"The `data` of an event of `/v1/{whose.lower()}/live`, which is named by its `type`.",
            "oneOf": [_reference(name) for name in sorted({names[each] for each in types})],
        }
    _set_stream(document, "/v1/articles/{article}/live", "ArticleStreamEvent")
    _set_stream(document, "/v1/moderation/live", "ModerationStreamEvent")
    _set_stream(document, "/v1/editorial/live", "EditorialStreamEvent")
    _set_stream(document, "/v1/live", "SiteStreamEvent")
