"""The OpenAPI document of the whole API, built for the first request."""

from fastapi import FastAPI

from app.articles.schemas import SingleArticleOut
from app.comments.schemas import CommentList
from app.openapi.examples import EXAMPLES
from app.openapi.messages import add_messages
from app.openapi.names import TYPES
from app.web.openapi import (
    SCHEMAS,
    Node,
    build_document,
    extend_schemas,
    iter_operations,
    merge_null,
    name_types,
    share_components,
    share_security,
    unify_answers,
)

SERVERS = [{"url": "/", "description": "The server that this document comes from."}]
DESCRIPTION = """\
The API of a publication: articles, discussions, subscriptions, syndication and all that editors do.

- **Names**: `{article}` and the like take an id or a slug; times are RFC 3339 in UTC.
- **Lists** come in pages: `{"data": […], "page": {"next", "prev", "limit", "total"}}`, with
  `Link` headers; cursors do not expire.
- **Errors** are `application/problem+json` (RFC 9457) with a stable `code`; `GET /problems` lists them.
- **Reads** carry `ETag`, `Last-Modified`, `Cache-Control` and the cache groups of the answer.
- **Writes** take an `Idempotency-Key` (POST) or need `If-Match` (what editors change), and answer with a
  `Broadsheet-Position`: a read with `min_position` sees at least that state.
- Every answer has an `X-Request-ID`; `RateLimit` and `RateLimit-Policy` tell what is left of a rate limit.
"""
TAGS = {
    "anchors": "Passages of articles: prompts of editors, and what readers comment on.",
    "articles": "Reading articles.",
    "audit": "Who changed what.",
    "authors": "Who articles are by.",
    "comments": "Reading and writing comments.",
    "discussion": "Whether and how readers may comment, and how much they did.",
    "editing": "Writing articles.",
    "fronts": "Pages that are put together from blocks of articles.",
    "site": "What front ends need to know of the publication: its profile, menus, addresses and redirects.",
    "identity": "Who is calling.",
    "keys": "API keys, their scopes and limits.",
    "live": "Server-Sent Events.",
    "media": "Pictures.",
    "approval": "Texts that somebody else must approve before readers see them.",
    "editorial": "Notes on drafts, tasks, and who edits what.",
    "merging": "Merging tags, authors and series.",
    "moderation": "Queue, decisions, reports, bans, watched phrases and appeals.",
    "notices": "Notices that stand with articles.",
    "operation": "Health, metrics and documentation.",
    "people": "The staff: who they are, what they may do where, and their sessions.",
    "previews": "Links that show what is not published yet.",
    "privacy": "What is stored about a person, and its erasure.",
    "publishing": "What readers see, and when; corrections and retractions.",
    "reactions": "Votes on comments and reactions to articles.",
    "related": "What to read next.",
    "releases": "Many changes that become public at once.",
    "revisions": "The saved texts of an article.",
    "search": "Full-text search.",
    "sections": "Sections, which form a tree.",
    "series": "Series of articles.",
    "sign-in": "How people sign in and out.",
    "subscriptions": "News by e-mail, confirmed by double opt-in.",
    "syndication": "Feeds, sitemaps, oEmbed, formats, changes, exports, WebSub and partners.",
    "tags": "Tags of articles.",
    "webhooks": "Messages about what changes, signed as Standard Webhooks has it.",
}
PATH_PARAMETERS = {
    "anchor": "Id of the anchor.",
    "note": "Id of the note.",
    "task": "Id of the task.",
    "article": "Id or slug of the article.",
    "author": "Id or slug of the author.",
    "ban": "Id of the ban.",
    "code": "Code of the problem.",
    "comment": "Id of the comment.",
    "delivery": "Id of the delivery.",
    "ending": "Format of the file.",
    "form": "Format of the feed.",
    "front": "Slug of the front.",
    "provider": "Id of the sign-in provider.",
    "redirect": "Id of the redirect.",
    "identity": "Id of the linked account.",
    "key": "Name of the file.",
    "key_id": "Id of the key.",
    "media": "Id of the picture.",
    "merge": "Id of the merge.",
    "month": "Year and month, such as `2026-01`.",
    "n": "Number of the revision or correction.",
    "notice": "Id of the notice.",
    "part": "Year and month, and where there are more, a number: `2026-01-2`.",
    "passkey": "Id of the passkey.",
    "person": "Id of the person, or `me` for the caller.",
    "phrase": "Id of the phrase.",
    "reason": "Id of the canned reason.",
    "action": "Id of the action.",
    "participant": "Public id of the person, the `author.id` of their comments.",
    "preview_id": "Id of the preview link.",
    "item": "Id of the item.",
    "release": "Id of the release.",
    "report": "Id of the report.",
    "script": "Name of the file.",
    "section": "Id or slug of the section.",
    "series": "Id or slug of the series.",
    "session": "Id of the session.",
    "role": "The role.",
    "size": "Width and height in pixels, such as `640x427`.",
    "subscriber": "Id of the subscriber.",
    "subscription": "Id of the subscription.",
    "suffix": "The format.",
    "suppression": "Id of the suppression.",
    "tag": "Id or slug of the tag.",
    "token": "Token from the link of a mail.",
    "upload": "Id of the upload.",
    "webhook": "Id of the webhook.",
}


def _describe_paths(document: Node) -> None:
    for _, _, operation in iter_operations(document):
        for parameter in operation["parameters"]:
            if parameter["in"] == "path":
                parameter["description"] = PATH_PARAMETERS[parameter["name"]]


def _type_comments(document: Node) -> None:
    """Add the schema of included comments to articles, whose own schema cannot refer to a room above."""
    properties = document["components"]["schemas"][SingleArticleOut.__name__]["properties"]
    kinds = [{"$ref": f"{SCHEMAS}{CommentList.__name__}"}, {"type": "null"}]
    properties["comments"] = {"anyOf": kinds, "description": properties["comments"]["description"]}


def _add_examples(document: Node) -> None:
    for name, example in EXAMPLES.items():
        document["components"]["schemas"][name]["examples"] = [example]


def _make(app: FastAPI) -> Node:
    document = build_document(app)
    document["info"] |= {
        "description": DESCRIPTION,
        "contact": {"name": "The Broadsheet maintainers"},
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    document["servers"] = SERVERS
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    _describe_paths(document)
    _type_comments(document)
    add_messages(document)
    name_types(document, TYPES)
    merge_null(document)
    extend_schemas(document)
    _add_examples(document)
    unify_answers(document)
    share_components(document)
    share_security(document)
    return document


def describe(app: FastAPI) -> None:
    """Let the app build its document once."""

    def openapi() -> Node:
        if not app.openapi_schema:
            app.openapi_schema = _make(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
