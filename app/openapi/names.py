"""Names for types that occur in many schemas: generators make one class of each, instead of one for each place."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.anchors.schemas import AnchorKind, AnchorState
from app.articles.discussion_schemas import Moderation as DiscussionModeration
from app.articles.discussion_schemas import State as DiscussionState
from app.articles.editorial_schemas import CorrectionKind
from app.articles.schemas import State as ArticleState
from app.blocks.schemas import Block, BlockAnchor, BlockId, BlockLanguage, Direction, Marks
from app.blocks.schemas import Text as BlockText
from app.comments.schemas import SortName as CommentSort
from app.comments.schemas import State as CommentState
from app.deliveries.schemas import State as DeliveryState
from app.fronts.schemas import Kind as FrontBlockKind
from app.identity.schemas import Scope
from app.moderation.rule_schemas import BanKind
from app.moderation.schemas import ModeratorText, QueueSort, QueueState, ReportReason, ReportState
from app.moderation.text_analysis import PhraseAction, PhraseMatch
from app.publication.schemas import Level, NoticeScope, Placement
from app.subscriptions.schemas import Frequency
from app.subscriptions.schemas import Kind as SubscriptionKind
from app.subscriptions.schemas import Reason as SuppressionReason
from app.text.inputs import Name, Prose, Slug, Summary, Title
from app.webhooks.schemas import EventType, Wildcard

# Names for values that differ in their letter case alone, which constants of programming languages do not.
ListStyle = Annotated[
    Literal["a", "A", "i", "I"],
    Field(json_schema_extra={"x-enum-varnames": ["LOWER_LETTERS", "UPPER_LETTERS", "LOWER_ROMAN", "UPPER_ROMAN"]}),
]
TYPES: dict[str, tuple[Any, str | None]] = {
    "AnchorKind": (AnchorKind, "Whether readers marked a passage, or editors ask about it."),
    "AnchorState": (AnchorState, "Where a passage is after the latest revision."),
    "ArticleState": (ArticleState, "The state of an article."),
    "ActivityDays": (Literal[1, 7, 30], "Over how many days activity is counted."),
    "BanKind": (BanKind, "What a ban goes by."),
    "Block": (Block, "One block of an article's text."),
    "BlockAnchor": (BlockAnchor, None),
    "BlockId": (BlockId, None),
    "BlockLanguage": (BlockLanguage, None),
    "BlockText": (BlockText, None),
    "CommentAuthorKind": (Literal["guest", "reader", "staff"], "How whoever comments identifies themselves."),
    "CommentRemover": (Literal["author", "moderator"], "Who took a text away."),
    "CommentSort": (CommentSort, "The order of comments."),
    "CommentState": (CommentState, "The state of a comment."),
    "CorrectionKind": (CorrectionKind, "The kind of a correction."),
    "CountMode": (Literal["none", "exact"], "Whether a list counts all that match."),
    "DeliveryState": (DeliveryState, "The state of a delivery."),
    "Direction": (Direction, "The direction of a text."),
    "DiscussionModeration": (DiscussionModeration, "Whether comments are moderated before or after they show."),
    "DiscussionState": (DiscussionState, "Whether readers may comment, and see comments."),
    "FeedFormat": (Literal["rss", "atom", "json"], "The format of a feed."),
    "FrontBlockKind": (FrontBlockKind, "How the articles of a front's block are chosen."),
    "ListStyle": (ListStyle, "How the items of a list are counted: by letters or Roman numerals."),
    "Marks": (Marks, None),
    "Name": (Name, "A name on one line, 1 to 200 characters, some of them visible."),
    "NoticeScope": (NoticeScope, "What a notice is attached to."),
    "Notify": (Literal["none", "replies", "all"], "Which later comments the author hears of by e-mail."),
    "OffsetUnit": (Literal["codepoint", "utf16"], "What `start` and `end` count."),
    "PhraseAction": (PhraseAction, "What becomes of a comment with a watched phrase."),
    "PhraseMatch": (PhraseMatch, "Whether a phrase is found as whole words or anywhere."),
    "Placement": (Placement, "Where a notice stands."),
    "Prose": (Prose, "Plain text of 1 to 10,000 characters, some of them visible."),
    "QueueSort": (QueueSort, "The order of the moderation queue."),
    "QueueState": (QueueState, "Which comments of the moderation queue."),
    "ReportReason": (ReportReason, "Why somebody reports a comment or an article."),
    "ReportState": (ReportState, "The state of a report."),
    "ReportTarget": (Literal["comment", "article"], "What a report is about."),
    "Scope": (Scope, "What a key may do."),
    "ShortText": (ModeratorText, "Plain text of 1 to 2,000 characters, some of them visible."),
    "Slug": (Slug, "Words of letters and digits, joined by hyphens: a slug, or an id where one is taken."),
    "SubscriptionFrequency": (Frequency, "How often a subscriber is written to."),
    "SubscriptionKind": (SubscriptionKind, "What a subscription is about."),
    "Summary": (Summary, "Plain text of up to 2,000 characters."),
    "SuppressionReason": (SuppressionReason, "Why an address gets no mail."),
    "SyndicationLevel": (Level, "How much of an article partners may have."),
    "TermSort": (Literal["name", "-articles"], "The order of tags, authors and series."),
    "Title": (Title, "A headline on one line, 1 to 300 characters, some of them visible."),
    "WebhookEvents": (Literal[EventType, Wildcard], "A type of event, or all of a kind."),
}
