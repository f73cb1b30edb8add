"""Names of types that occur in many schemas, so that generators make one class of each."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeForm

from app.anchors.schemas import AnchorKind, AnchorState
from app.articles.discussion_schemas import Moderation as DiscussionModeration
from app.articles.discussion_schemas import State as DiscussionState
from app.articles.editorial_schemas import CorrectionKind
from app.articles.list_parameters import FilterValues
from app.articles.schemas import ApprovalState
from app.articles.schemas import State as ArticleState
from app.blocks.schemas import Block, BlockAnchor, BlockId, BlockLanguage, Direction, Marks
from app.blocks.schemas import Text as BlockText
from app.comments.schemas import SortName as CommentSort
from app.comments.schemas import State as CommentState
from app.deliveries.schemas import State as DeliveryState
from app.fronts.schemas import Kind as FrontBlockKind
from app.identity.schemas import Scope
from app.moderation.rule_schemas import BanKind
from app.moderation.schemas import AppealState, Ground, ModeratorText, QueueSort, QueueState, ReportReason, ReportState
from app.moderation.text_analysis import PhraseAction, PhraseMatch
from app.people.schemas import PersonState, RoleScope, SignInMethod
from app.publication.schemas import Level, NoticeScope, Placement
from app.releases.schemas import ItemOp as ReleaseItemOp
from app.releases.schemas import ReleaseState
from app.site.schemas import RedirectStatus
from app.subscriptions.schemas import Frequency
from app.subscriptions.schemas import Kind as SubscriptionKind
from app.subscriptions.schemas import Reason as SuppressionReason
from app.text.inputs import Name, Prose, Slug, Summary, Title
from app.webhooks.schemas import EventType, Wildcard

# Names of values that differ in letter case alone, which constants of programming languages may not.
ListStyle = Annotated[
    Literal["a", "A", "i", "I"],
    Field(json_schema_extra={"x-enum-varnames": ["LOWER_LETTERS", "UPPER_LETTERS", "LOWER_ROMAN", "UPPER_ROMAN"]}),
]
ActivityDays = Literal[1, 7, 30]
CommentAuthorKind = Literal["guest", "reader", "staff"]
CommentRemover = Literal["author", "moderator"]
CountMode = Literal["none", "exact"]
FeedFormat = Literal["rss", "atom", "json"]
Notify = Literal["none", "replies", "all"]
OffsetUnit = Literal["codepoint", "utf16"]
ReportTarget = Literal["comment", "article"]
PersonBan = Literal["full", "shadow"]
TermSort = Literal["name", "-articles"]
WebhookEvents = Literal[EventType, Wildcard]
TYPES: dict[str, tuple[TypeForm[object], str | None]] = {
    "AnchorKind": (AnchorKind, "Whether readers marked a passage, or editors ask about it."),
    "AnchorState": (AnchorState, "Whether a passage was found in the latest revision."),
    "ArticleState": (ArticleState, "The state of an article."),
    "ActivityDays": (ActivityDays, "Number of days for which activity is counted."),
    "BanKind": (BanKind, "What a ban matches."),
    "Block": (Block, "One block of an article's text."),
    "BlockAnchor": (BlockAnchor, None),
    "BlockId": (BlockId, None),
    "BlockLanguage": (BlockLanguage, None),
    "BlockText": (BlockText, None),
    "CommentAuthorKind": (CommentAuthorKind, "How the author of a comment is identified."),
    "CommentRemover": (CommentRemover, "Who removed a text."),
    "CommentSort": (CommentSort, "The order of comments."),
    "CommentState": (CommentState, "The state of a comment."),
    "CorrectionKind": (CorrectionKind, "The kind of a correction."),
    "CountMode": (CountMode, "Whether a list counts all matching items."),
    "DeliveryState": (DeliveryState, "The state of a delivery."),
    "Direction": (Direction, "The direction of a text."),
    "DiscussionModeration": (DiscussionModeration, "Whether comments are moderated before or after they show."),
    "DiscussionState": (DiscussionState, "Whether readers may comment and see comments."),
    "FeedFormat": (FeedFormat, "The format of a feed."),
    "FilterValues": (FilterValues, "Values of a filter, comma-separated; a leading hyphen excludes them."),
    "FrontBlockKind": (FrontBlockKind, "How the articles of a front's block are chosen."),
    "ListStyle": (ListStyle, "How the items of a list are numbered: by letters or Roman numerals."),
    "Marks": (Marks, None),
    "Name": (Name, "A name on one line, 1 to 200 characters, some of them visible."),
    "NoticeScope": (NoticeScope, "What a notice is attached to."),
    "Notify": (Notify, "About which later comments the author is notified by e-mail."),
    "ApprovalState": (ApprovalState, "Whether the newest text of an article is approved."),
    "AppealState": (AppealState, "The state of an appeal."),
    "DecisionGround": (Ground, "Whether a decision rests on the law or on the terms of the publication."),
    "PersonBan": (PersonBan, "Whether a ban refuses comments, or shows them to their author alone."),
    "RoleScope": (RoleScope, "What people with a role may do."),
    "PersonState": (PersonState, "Whether somebody of the staff may sign in."),
    "SignInMethod": (SignInMethod, "How a person signed in."),
    "OffsetUnit": (OffsetUnit, "The unit of `start` and `end`."),
    "PhraseAction": (PhraseAction, "What is done with a comment that contains a watched phrase."),
    "PhraseMatch": (PhraseMatch, "Whether a phrase is found as whole words or anywhere."),
    "Placement": (Placement, "Where a notice is shown."),
    "Prose": (Prose, "Plain text of 1 to 10,000 characters, some of them visible."),
    "QueueSort": (QueueSort, "The order of the moderation queue."),
    "QueueState": (QueueState, "The state of comments in the moderation queue."),
    "ReportReason": (ReportReason, "The reason for reporting a comment or an article."),
    "ReportState": (ReportState, "The state of a report."),
    "RedirectStatus": (RedirectStatus, "301 moved permanently, 302 moved for now, 410 gone."),
    "ReleaseItemOp": (ReleaseItemOp, "What an item of a release does."),
    "ReleaseState": (ReleaseState, "The state of a release."),
    "ReportTarget": (ReportTarget, "What a report is about."),
    "Scope": (Scope, "What a key may do."),
    "ShortText": (ModeratorText, "Plain text of 1 to 2,000 characters, some of them visible."),
    "Slug": (Slug, "Words of letters and digits, joined by hyphens: a slug, or an id where one is taken."),
    "SubscriptionFrequency": (Frequency, "How often a subscriber gets mail."),
    "SubscriptionKind": (SubscriptionKind, "What a subscription is about."),
    "Summary": (Summary, "Plain text of up to 2,000 characters."),
    "SuppressionReason": (SuppressionReason, "Why an address gets no mail."),
    "SyndicationLevel": (Level, "How much of an article partners get."),
    "TermSort": (TermSort, "The order of tags, authors and series."),
    "Title": (Title, "A headline on one line, 1 to 300 characters, some of them visible."),
    "WebhookEvents": (WebhookEvents, "A type of event, or all types of a kind."),
}
