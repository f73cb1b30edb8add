"""Every consumer of every event. A test compares each row with the events that its consumers handle.

Handlers run one after another for each event, on the cursor `handlers`. `related`, `mail`, `webhooks` and `websub` read
the log with cursors of their own, so that one that fails holds up no other. `live` (Server-Sent Events) and `changes`
(the change feed) are read by clients at their own pace.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlmodel import Session

from app.anchors.relocation import relocate_anchors
from app.articles.approval_rules import delete_section_rule
from app.articles.discussions import delete_section_settings
from app.events import catalog, staff_events
from app.events.base import EventBase
from app.events.catalog import LoggedEvent
from app.fronts.fronts import follow_merge as follow_merge_on_fronts
from app.partners.partners import on_published as remove_partners
from app.site.profile import follow_merge as follow_merge_in_menus
from app.subscriptions.subscriptions import follow_merge

Handler = Callable[[Session, LoggedEvent], None]

HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {
        "anchors": relocate_anchors,
        "partners": remove_partners,
        "discussions": delete_section_settings,
        "approval": delete_section_rule,
        "subscriptions": follow_merge,
        "fronts": follow_merge_on_fronts,
        "site": follow_merge_in_menus,
    }
)
_PUBLIC: Final = ("webhooks", "websub", "live", "changes")
_STAFF: Final = ("webhooks", "live")

SUBSCRIBERS: Final[Mapping[type[EventBase], tuple[str, ...]]] = MappingProxyType(
    {
        catalog.ArticlePublished: ("anchors", "partners", "related", "mail", *_PUBLIC),
        catalog.ArticleUpdated: ("anchors", "related", *_PUBLIC),
        catalog.ArticleCorrected: ("mail", *_PUBLIC),
        catalog.ArticleCorrectionChanged: _PUBLIC,
        catalog.ArticleCorrectionWithdrawn: _PUBLIC,
        catalog.ArticleUnpublished: ("related", *_PUBLIC),
        catalog.ArticleRetracted: ("related", *_PUBLIC),
        catalog.ArticlePurged: ("webhooks", "live", "changes"),
        catalog.ActivityAged: (),
        catalog.DiscussionChanged: _PUBLIC,
        catalog.AnchorChanged: ("live", "changes"),
        catalog.AnchorsResolved: ("live", "changes"),
        catalog.RelatedChanged: (),
        catalog.CommentPublished: ("mail", *_PUBLIC),
        catalog.CommentEdited: ("mail", *_PUBLIC),
        catalog.CommentRemoved: _PUBLIC,
        catalog.CommentVoted: ("webhooks", "live", "changes"),
        catalog.ArticleReacted: ("webhooks", "live", "changes"),
        staff_events.CommentPending: _STAFF,
        staff_events.CommentHeld: _STAFF,
        staff_events.CommentReported: _STAFF,
        staff_events.CommentClaimed: _STAFF,
        staff_events.CommentAppealed: _STAFF,
        staff_events.CommentDecided: ("mail", *_STAFF),
        staff_events.CommentsRemoved: ("mail",),
        staff_events.ArticleReported: _STAFF,
        staff_events.ArticleSubmitted: ("mail", *_STAFF),
        staff_events.ArticleApproved: ("mail", *_STAFF),
        staff_events.ArticleReturned: ("mail", *_STAFF),
        staff_events.ArticleHeld: ("mail", *_STAFF),
        staff_events.NoteCreated: ("mail", *_STAFF),
        staff_events.NoteChanged: ("mail", *_STAFF),
        staff_events.NoteDeleted: _STAFF,
        staff_events.TaskCreated: ("mail", *_STAFF),
        staff_events.TaskChanged: ("mail", *_STAFF),
        staff_events.TaskDue: ("mail", *_STAFF),
        staff_events.TaskDeleted: _STAFF,
        staff_events.LockTaken: _STAFF,
        staff_events.LockReleased: _STAFF,
        staff_events.ReleaseFailed: ("mail", *_STAFF),
        catalog.FrontChanged: (),
        catalog.FrontDeleted: (),
        catalog.SectionChanged: _PUBLIC,
        catalog.SectionDeleted: ("discussions", "approval", *_PUBLIC),
        catalog.TagChanged: _PUBLIC,
        catalog.TagDeleted: ("subscriptions", "fronts", "site", *_PUBLIC),
        catalog.AuthorChanged: _PUBLIC,
        catalog.AuthorDeleted: ("subscriptions", "fronts", "site", *_PUBLIC),
        catalog.SeriesChanged: _PUBLIC,
        catalog.SeriesDeleted: ("subscriptions", "fronts", "site", *_PUBLIC),
        catalog.NoticeChanged: _PUBLIC,
        catalog.NoticeDeleted: _PUBLIC,
        catalog.MediaChanged: ("webhooks", "websub", "changes"),
        catalog.MediaDeleted: ("webhooks", "websub", "changes"),
        catalog.SiteChanged: ("webhooks", "changes"),
        catalog.RedirectsChanged: ("webhooks", "changes"),
        catalog.ReleasePublished: ("webhooks",),
        catalog.ReleaseRolledBack: ("webhooks",),
    }
)


def list_types(*consumers: str) -> frozenset[str]:
    """List the types of the events that any of these consumers gets."""
    return frozenset(event.name for event, names in SUBSCRIBERS.items() if not set(consumers).isdisjoint(names))


def dispatch(session: Session, entry: LoggedEvent) -> None:
    """Call the handlers of an event, in the order of its row."""
    for name in SUBSCRIBERS.get(type(entry.event), ()) if entry.event else ():
        if name in HANDLERS:
            HANDLERS[name](session, entry)
