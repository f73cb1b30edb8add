"""Examples of request bodies, shown with their schemas."""

from app.db.rows import JsonObject

EXAMPLES: dict[str, JsonObject] = {
    "AcceptIn": {"token": "bi_…", "password": "fog over the old harbour"},
    "ArticleIn": {
        "title": "Fog holds up the ferry",
        "section": "harbour",
        "authors": ["ines-costa"],
        "tags": ["Ferry", "Weather"],
        "body": {"markdown": "The **first** boat left at noon."},
    },
    "CommentIn": {"text": "I waited, too.", "author": {"name": "Zoe"}, "notify": "replies"},
    "CorrectionIn": {"text": "The boat left at noon, not at one."},
    "FrontIn": {"title": "Home", "blocks": [{"kind": "newest", "section": "harbour", "limit": 5}]},
    "KeyIn": {"name": "Front end", "scopes": ["content:read"]},
    "NewPersonIn": {"name": "Zoe Adler", "email": "zoe@example.org"},
    "PersonGrantIn": {"role": "editor", "sections": ["politics"]},
    "RoleIn": {"role": "columnist", "name": "Columnist", "scopes": ["content:read", "content:write"]},
    "NoticeIn": {"scope": "section", "target_id": "opinion", "placement": "before", "text": "An opinion."},
    "PhraseIn": {"text": "cheap pills", "action": "hold"},
    "ReportIn": {"reason": "spam"},
    "ScheduleIn": {"at": "2026-09-01T06:00:00Z"},
    "SubscriptionIn": {"email": "zoe@example.org", "kind": "articles.new", "frequency": "daily"},
    "VoteIn": {"value": 1},
    "WebhookIn": {"url": "https://cdn.example/purge", "events": ["article.*"], "description": "Empty the cache."},
}
