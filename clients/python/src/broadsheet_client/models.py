"""Types of the API. Made from openapi.json by generate.py: do not edit."""

from __future__ import annotations

from typing import Generic, Literal, NotRequired, TypeAlias, TypedDict, TypeVar

T = TypeVar("T")


class PageOf(TypedDict, Generic[T]):
    """A page of a list."""

    data: list[T]
    page: PageOut


class AcceptIn(TypedDict):
    """The acceptance of an invitation, with a password or a passkey."""

    email: NotRequired[str | None]
    name: NotRequired[Name | None]
    passkey: NotRequired[dict[str, object] | None]
    password: NotRequired[str | None]
    token: str
    totp: NotRequired[str | None]


class AcceptedOut(TypedDict):
    """The response to every request, whatever is known of the address."""

    accepted: Literal[True]


class ActionIn(TypedDict):
    """What to do about a person."""

    ban: NotRequired[PersonBan | None]
    canned: NotRequired[str | None]
    ground: NotRequired[DecisionGround | None]
    reason: NotRequired[ShortText | None]
    remove_all: NotRequired[bool]
    until: NotRequired[str | None]


class ActionsOut(TypedDict):
    """Decisions of one kind."""

    action: str
    automated: bool
    ground: DecisionGround | None
    number: int


ActivityDays: TypeAlias = Literal[1, 7, 30]
"""Number of days for which activity is counted."""


class AddressTemplates(TypedDict):
    """Paths of the site with placeholders in braces: `slug`, `id`, `section`, `sections`, `year`, `month`,
    `day`."""

    article: str
    author: str
    confirm: str
    front: str
    section: str
    series: str
    tag: str
    types: dict[str, str]


class AnchorIn(TypedDict):
    """A passage of the article's plain text (`formats=text`), as a selector of the W3C Web Annotation Data
    Model."""

    end: NotRequired[int | None]
    exact: ShortText
    prefix: NotRequired[str | None]
    revision: NotRequired[int | None]
    start: NotRequired[int | None]
    suffix: NotRequired[str | None]
    unit: NotRequired[OffsetUnit]


AnchorKind: TypeAlias = Literal['passage', 'prompt']
"""Whether readers marked a passage, or editors ask about it."""


class AnchorOut(TypedDict):
    """The anchor of a comment."""

    block_id: str | None
    end: int | None
    exact: str | None
    id: str
    kind: AnchorKind
    question: str | None
    revision: int
    start: int | None
    state: AnchorState


class AnchorPatch(TypedDict):
    """Changes of an anchor, as a JSON Merge Patch (RFC 7396)."""

    place: NotRequired[AnchorIn]
    question: NotRequired[Title | None]


AnchorState: TypeAlias = Literal['anchored', 'moved', 'changed', 'orphaned', 'detached']
"""Whether a passage was found in the latest revision."""


class AnchorsResolvedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.anchors_resolved']


class AppealData(TypedDict):
    """An appeal with its answer."""

    answer: str | None
    answered_at: str | None
    comment_id: str
    created_at: str
    state: str
    text: str


class AppealIn(TypedDict):
    """An appeal against the decision on a comment."""

    text: ShortText


class AppealOut(TypedDict):
    """An appeal, as its author sees it."""

    answer: str | None
    answered_at: str | None
    created_at: str
    state: AppealState


AppealState: TypeAlias = Literal['open', 'granted', 'declined']
"""The state of an appeal."""


class ApprovalMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.submitted', 'article.approved', 'article.returned']


class ApprovalOut(TypedDict):
    """The last step of an article's approval; all steps are at `GET …/approval`."""

    at: str | None
    by: str | None
    revision: int | None
    state: ApprovalState


class ApprovalRuleIn(TypedDict):
    """What a section, or the site, requires before a text becomes public."""

    four_eyes: NotRequired[bool]
    required: NotRequired[bool | None]
    roles: NotRequired[list[Slug] | None]


class ApprovalRuleOut(TypedDict):
    """The rule of a section, or of the site, and the one that applies there."""

    effective: EffectiveRuleOut
    own: OwnRuleOut


ApprovalState: TypeAlias = Literal['none', 'submitted', 'approved', 'returned']
"""Whether the newest text of an article is approved."""


class ApprovalStepOut(TypedDict):
    """A step of the approval of one revision."""

    action: Literal['submitted', 'approved', 'returned']
    actor_id: str | None
    at: str
    by: str
    id: str
    note: str | None
    own: bool
    revision: int
    roles: list[str]


class ApprovalStepOutList(TypedDict):
    """A page of `ApprovalStepOut`."""

    data: list[ApprovalStepOut]
    page: PageOut


class ApproveIn(TypedDict):
    """The revision to approve."""

    note: NotRequired[str | None]
    revision: int


class ArticleBulkIn(TypedDict):
    """Operations, carried out in order."""

    operations: list[BulkPublish | BulkVerb | BulkRetract | BulkSchedule | BulkPatch | BulkSubmit | BulkApprove | BulkReturn]


class ArticleBulkOut(TypedDict):
    """One result for each operation, in order."""

    data: list[BulkResultOut]


class ArticleCorrectedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.corrected', 'article.correction_changed']


class ArticleDiscussionIn(TypedDict):
    """Discussion settings of one article."""

    close_after_days: NotRequired[int | None]
    closes_at: NotRequired[str | None]
    moderation: NotRequired[DiscussionModeration | None]
    prompt: NotRequired[str | None]
    state: NotRequired[DiscussionState | None]


class ArticleHeldMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.held']


class ArticleIn(TypedDict):
    """A new article, created as a draft."""

    authors: NotRequired[list[Slug]]
    body: NotRequired[BodyIn]
    canonical_url: NotRequired[str | None]
    custom: NotRequired[dict[str, object] | None]
    dek: NotRequired[Summary | None]
    featured: NotRequired[bool]
    image: NotRequired[Slug | None]
    language: NotRequired[str]
    published_at: NotRequired[str | None]
    rights: NotRequired[RightsIn]
    section: NotRequired[Slug | None]
    seo: NotRequired[ArticleSeoIn | None]
    series: NotRequired[Slug | None]
    slug: NotRequired[Slug | None]
    source: NotRequired[SourceIn | None]
    tags: NotRequired[list[Name]]
    title: Title
    type: NotRequired[str]


class ArticlePatch(TypedDict):
    """Changes to an article (RFC 7396): absent members stay, null clears."""

    authors: NotRequired[list[Slug]]
    body: NotRequired[BodyIn]
    canonical_url: NotRequired[str | None]
    custom: NotRequired[dict[str, object] | None]
    dek: NotRequired[Summary | None]
    featured: NotRequired[bool]
    image: NotRequired[Slug | None]
    language: NotRequired[str]
    published_at: NotRequired[str | None]
    rights: NotRequired[RightsIn]
    section: NotRequired[Slug | None]
    seo: NotRequired[ArticleSeoIn | None]
    series: NotRequired[Slug | None]
    slug: NotRequired[Slug | None]
    source: NotRequired[SourceIn | None]
    tags: NotRequired[list[Name]]
    title: NotRequired[Title]
    type: NotRequired[str]


class ArticlePublishedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.published']


class ArticleReportedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.reported']


class ArticleRetractedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.retracted']


class ArticleSectionOut(TypedDict):
    """The section of an article."""

    id: str
    name: str
    parent: TermOut | None
    slug: str
    url: str


class ArticleSeoIn(TypedDict):
    """What search engines and networks are told of an article."""

    description: NotRequired[Summary | None]
    image: NotRequired[Slug | None]
    robots: NotRequired[str | None]
    title: NotRequired[Title | None]


class ArticleSeoOut(TypedDict):
    """What search engines and networks are told of an article."""

    description: str | None
    image: ImageOut | None
    robots: str | None
    title: str | None


ArticleState: TypeAlias = Literal['draft', 'scheduled', 'published', 'unpublished', 'retracted']
"""The state of an article."""


ArticleStreamEvent: TypeAlias = 'dict[str, object]'
"""An event of an article's stream, its `data` read as JSON."""


class ArticleUnpublishedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.unpublished']


class ArticleUpdatedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.updated']


class AudioBlock(TypedDict):
    """An audio file."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    mime: str | None
    sources: list[MediaSource]
    src: str
    text: BlockText
    title: str | None
    tracks: list[MediaTrack]
    type: Literal['audio']


class AuditOut(TypedDict):
    """An entry of the audit log."""

    action: str
    actor_id: str | None
    actor_kind: str
    actor_name: str
    at: str
    detail: dict[str, object]
    id: str
    person_id: str | None
    subject_id: str | None
    subject_kind: str


class AuditOutList(TypedDict):
    """A page of `AuditOut`."""

    data: list[AuditOut]
    page: PageOut


class AuthorIn(TypedDict):
    """A new author."""

    bio_html: NotRequired[str | None]
    bio_text: NotRequired[str | None]
    canonical_url: NotRequired[str | None]
    image: NotRequired[str | None]
    name: Name
    same_as: NotRequired[list[str] | None]
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug | None]
    website: NotRequired[str | None]


class AuthorOut(TypedDict):
    """An author."""

    articles: int
    bio_html: str
    bio_text: str
    canonical_url: str | None
    created_at: str
    id: str
    image: ImageOut | None
    name: str
    same_as: list[str] | None
    seo: SeoOut | None
    slug: str
    updated_at: str
    url: str
    website: str | None


class AuthorOutList(TypedDict):
    """A page of `AuthorOut`."""

    data: list[AuthorOut]
    page: PageOut


class AuthorPatch(TypedDict):
    """Changes to an author."""

    bio_html: NotRequired[str]
    bio_text: NotRequired[str]
    canonical_url: NotRequired[str | None]
    image: NotRequired[str | None]
    name: NotRequired[Name]
    same_as: NotRequired[list[str] | None]
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug]
    website: NotRequired[str | None]


class BanData(TypedDict):
    """A ban."""

    created_at: str
    kind: str
    reason: str | None
    until: str | None


class BanIn(TypedDict):
    """A new ban, by a comment of the person or by an e-mail address, domain or network address."""

    comment_id: NotRequired[str | None]
    kind: BanKind
    reason: NotRequired[ShortText | None]
    until: NotRequired[str | None]
    value: NotRequired[str | None]


BanKind: TypeAlias = Literal['identity', 'address', 'email', 'email_domain']
"""What a ban matches."""


class BanOut(TypedDict):
    """A ban."""

    author: BannedAuthorOut | None
    comment_id: str | None
    created_at: str
    created_by: str | None
    domain: str | None
    id: str
    kind: BanKind
    reason: str | None
    shadow: bool
    until: str | None


class BanOutList(TypedDict):
    """A page of `BanOut`."""

    data: list[BanOut]
    page: PageOut


class BannedAuthorOut(TypedDict):
    """The banned author."""

    id: str
    kind: CommentAuthorKind
    name: str | None


class BansOut(TypedDict):
    """Bans of the period."""

    created: int
    in_force: int
    lifted: int


Block: TypeAlias = 'ParagraphBlock | HeadingBlock | QuoteBlock | ListBlock | ImageBlock | GalleryBlock | AudioBlock | VideoBlock | EmbedBlock | CodeBlock | TableBlock | DividerBlock | DefinitionsBlock | DetailsBlock | BoxBlock | FootnotesBlock'
"""One block of an article's text."""


BlockAnchor: TypeAlias = 'str'
"""Fragment identifier, unique in the body."""


class BlockChange(TypedDict):
    """A changed block of the text; equal ones are left out."""

    new: str | None
    new_id: str | None
    old: str | None
    old_id: str | None
    op: Literal['insert', 'delete', 'replace']


class BlockDefinition(TypedDict):
    """The definition of a block."""

    articles: list[str] | None
    author: str | None
    days: ActivityDays | None
    kind: FrontBlockKind
    limit: int | None
    section: str | None
    series: str | None
    tag: str | None
    title: str | None
    type: str | None


BlockId: TypeAlias = 'str'
"""Unique within the body; stable across revisions."""


class BlockIn(TypedDict):
    """A block of articles: of one section, series, tag, author or type, unless `pinned`, or of all."""

    articles: NotRequired[list[Slug] | None]
    author: NotRequired[Slug | None]
    days: NotRequired[ActivityDays | None]
    kind: FrontBlockKind
    limit: NotRequired[int | None]
    section: NotRequired[Slug | None]
    series: NotRequired[Slug | None]
    tag: NotRequired[Slug | None]
    title: NotRequired[Title | None]
    type: NotRequired[str | None]


BlockLanguage: TypeAlias = 'str'
"""BCP 47 language tag, if it is not the article's."""


class BlockOut(TypedDict):
    """A block with its articles."""

    articles: list[ListedArticleOut]
    kind: FrontBlockKind
    title: str | None


class BlockPicture(TypedDict):
    """What is known of a picture that is stored here."""

    animated: bool
    credit: str
    id: str
    provenance: Literal['c2pa'] | None
    renditions: list[PictureRendition]


BlockText: TypeAlias = 'str'
"""Plain text: a line feed is a line break, an empty line separates paragraphs of one block."""


class BodyIn(TypedDict):
    """The text, as HTML or Markdown."""

    html: NotRequired[str | None]
    markdown: NotRequired[str | None]


class BodyOut(TypedDict):
    """The text, in the formats requested; others are absent."""

    blocks: NotRequired[list[Block] | None]
    html: NotRequired[str | None]
    markdown: NotRequired[str | None]
    text: NotRequired[str | None]


class BoxBlock(TypedDict):
    """An aside, such as a fact box; `text` has its whole content."""

    anchor: NotRequired[BlockAnchor]
    blocks: list[Block]
    dir: NotRequired[Direction]
    id: BlockId
    kind: str | None
    lang: NotRequired[BlockLanguage]
    marks: Marks
    text: BlockText
    type: Literal['box']


class BreadcrumbOut(TypedDict):
    """A step of the way from the root of the section tree."""

    name: str
    url: str


class BulkApprove(TypedDict):
    """`POST …/approve`, of just the revision that was read."""

    article: Slug
    body: ApproveIn
    if_match: NotRequired[str | None]
    op: Literal['approve']


class BulkItemOut(TypedDict):
    """The result for one comment."""

    code: str | None
    done: bool
    id: str
    state: CommentState | None


class BulkPatch(TypedDict):
    """`PATCH /v1/articles/{article}`."""

    article: Slug
    body: ArticlePatch
    if_match: NotRequired[str | None]
    op: Literal['patch']


class BulkPublish(TypedDict):
    """`POST …/publish`."""

    article: Slug
    body: NotRequired[PublishIn | None]
    if_match: NotRequired[str | None]
    op: Literal['publish']


class BulkResultOut(TypedDict):
    """The result of one operation."""

    code: str | None
    detail: str | None
    errors: list[ErrorDetail] | None
    etag: str | None
    id: str | None
    op: str
    retry_after: int | None
    status: int
    version: int | None


class BulkRetract(TypedDict):
    """`POST …/retract`."""

    article: Slug
    body: RetractIn
    if_match: NotRequired[str | None]
    op: Literal['retract']


class BulkReturn(TypedDict):
    """`POST …/return`."""

    article: Slug
    body: ReturnIn
    if_match: NotRequired[str | None]
    op: Literal['return']


class BulkSchedule(TypedDict):
    """`PUT …/schedule`."""

    article: Slug
    body: ScheduleIn
    if_match: NotRequired[str | None]
    op: Literal['schedule']


class BulkSubmit(TypedDict):
    """`POST …/submit`."""

    article: Slug
    body: NotRequired[SubmitIn | None]
    if_match: NotRequired[str | None]
    op: Literal['submit']


class BulkVerb(TypedDict):
    """The single route of this name, which takes no body."""

    article: Slug
    if_match: NotRequired[str | None]
    op: Literal['unpublish', 'unschedule', 'delete']


class CannedIn(TypedDict):
    """A reason for many decisions."""

    basis: NotRequired[str | None]
    ground: NotRequired[DecisionGround | None]
    texts: dict[str, object]
    title: str


class CannedOut(TypedDict):
    """A canned reason."""

    basis: str | None
    created_at: str
    ground: DecisionGround | None
    id: str
    texts: dict[str, str]
    title: str
    updated_at: str
    version: int


class CannedOutList(TypedDict):
    """A page of `CannedOut`."""

    data: list[CannedOut]
    page: PageOut


class ChangeNoticeItem(TypedDict):
    """Changes a notice."""

    body: NoticePatch
    notice: Slug
    op: Literal['change_notice']


class ChangeOut(TypedDict):
    """An object that a follower has to read again or to delete."""

    at: str
    id: str | None
    of: ChangeParentOut | None
    op: Literal['upsert', 'delete', 'withdraw']
    position: str
    reason: str | None
    revision: int | None
    status: Literal[404, 410, 451] | None
    type: Literal['article', 'comment', 'section', 'tag', 'author', 'series', 'media', 'notice', 'discussion', 'site', 'redirects', 'votes', 'reactions']


class ChangePageOut(TypedDict):
    """The continuation of the feed."""

    limit: int
    more: bool
    next: str
    total: int | None


class ChangeParentOut(TypedDict):
    """The object that the subject of a change belongs to."""

    id: str | None
    type: NoticeScope


class ChangeRedirectItem(TypedDict):
    """Changes a redirect."""

    body: RedirectPatch
    op: Literal['change_redirect']
    redirect: Slug


class ChangedTermsOut(TypedDict):
    """One side of changed section, series, authors and tags, with present slugs and names."""

    authors: list[NamedTermOut] | None
    section: NamedTermOut | None
    series: NamedTermOut | None
    tags: list[NamedTermOut] | None


class ChangesOut(TypedDict):
    """A page of the change feed."""

    data: list[ChangeOut]
    page: ChangePageOut


class CheckReasonOut(TypedDict):
    """A reason why a comment would not simply be published."""

    stage: str


class ClaimIn(TypedDict):
    """How many comments to claim, and which."""

    article: NotRequired[Slug | None]
    author: NotRequired[str | None]
    limit: NotRequired[int]
    minutes: NotRequired[int]
    q: NotRequired[str | None]
    reason: NotRequired[str | None]
    section: NotRequired[Slug | None]
    sort: NotRequired[QueueSort]
    state: NotRequired[QueueState | None]


class ClaimedOut(TypedDict):
    """The claimed comments; no other moderator can claim them before `until`."""

    data: list[QueueItemOut]
    until: str


class CodeBlock(TypedDict):
    """Source code or other preformatted text."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    language: str | None
    marks: Marks
    text: BlockText
    type: Literal['code']


class CommentAppealedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['comment.appealed']


class CommentAuthorIn(TypedDict):
    """The name and e-mail address of a commenter."""

    email: NotRequired[str | None]
    name: Name


CommentAuthorKind: TypeAlias = Literal['guest', 'reader', 'staff']
"""How the author of a comment is identified."""


class CommentAuthorOut(TypedDict):
    """The author of a comment, as shown in public."""

    badges: list[str]
    id: str
    kind: CommentAuthorKind
    name: str


class CommentClaimedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['comment.claimed']


class CommentData(TypedDict):
    """A comment with everything that is stored of it."""

    address_hash: str | None
    article_id: str
    author_name: str
    created_at: str
    edited_at: str | None
    email: str | None
    html: str
    id: str
    notify: str
    parent_id: str | None
    source: str
    state: str
    text: str


class CommentDecidedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['comment.decided']


class CommentHeldMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['comment.pending', 'comment.held']


class CommentIn(TypedDict):
    """A new comment."""

    anchor: NotRequired[AnchorIn | None]
    anchor_id: NotRequired[str | None]
    author: NotRequired[CommentAuthorIn | None]
    created_at: NotRequired[str | None]
    id: NotRequired[str | None]
    notify: NotRequired[Notify]
    parent_id: NotRequired[str | None]
    text: Prose


class CommentLinksOut(TypedDict):
    """Paths of the comment, its article, its parent and its replies."""

    article: str
    parent: str | None
    replies: str
    self: str


class CommentList(TypedDict):
    """A page of comments."""

    data: list[ThreadedCommentOut]
    page: PageOut


class CommentMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['comment.published', 'comment.edited', 'comment.removed', 'comment.voted']


class CommentOut(TypedDict):
    """A comment. A tombstone has the state `removed`, no author and no text."""

    anchor: AnchorOut | None
    article_id: str
    author: CommentAuthorOut | None
    created_at: str
    depth: int
    edited_at: str | None
    featured: bool
    html: str | None
    id: str
    links: CommentLinksOut
    parent_id: str | None
    redacted_at: str | None
    replies: int
    root_id: str
    state: CommentState
    text: str | None
    votes: VotesOut


class CommentPatch(TypedDict):
    """Changes to a comment (RFC 7396 merge patch)."""

    notify: NotRequired[Notify]
    text: NotRequired[Prose]


CommentRemover: TypeAlias = Literal['author', 'moderator']
"""Who removed a text."""


class CommentReportedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['comment.reported']


class CommentRevisionData(TypedDict):
    """The text of a comment before a change."""

    comment_id: str
    number: int
    replaced_at: str
    replaced_by: str
    source: str
    text: str


class CommentRevisionOut(TypedDict):
    """A former text of a comment."""

    html: str
    number: int
    replaced_at: str
    replaced_by: CommentRemover
    source: str
    text: str


class CommentRevisionOutList(TypedDict):
    """A page of `CommentRevisionOut`."""

    data: list[CommentRevisionOut]
    page: PageOut


CommentSort: TypeAlias = Literal['newest', 'oldest', 'best', 'controversial']
"""The order of comments."""


CommentState: TypeAlias = Literal['pending', 'published', 'rejected', 'spam', 'removed']
"""The state of a comment."""


class CommenterOut(TypedDict):
    """Somebody who comments."""

    approved: int
    bans: list[BanOut]
    comments: dict[str, int]
    confirmed: bool
    erased: bool
    first_seen: str
    id: str
    kind: CommentAuthorKind
    last_seen: str | None
    name: str | None
    notes: int
    rejected: int
    reports_by: int
    reports_of: int
    shadowed: int


class ConfirmIn(TypedDict):
    """The token from a confirmation mail."""

    token: str


class ConfirmedOut(TypedDict):
    """A confirmed subscription."""

    manage_token: str
    subscription: SubscriptionOut


class Content(TypedDict):
    """Content of a list item, a cell or another container: text, or blocks if it has more than text."""

    blocks: NotRequired[list[Block]]
    marks: Marks
    text: BlockText


class CorrectionIn(TypedDict):
    """A new correction."""

    kind: NotRequired[CorrectionKind]
    text: Prose


CorrectionKind: TypeAlias = Literal['correction', 'clarification', 'update', 'editors_note']
"""The kind of a correction."""


class CorrectionOut(TypedDict):
    """A correction of the article."""

    at: str
    changed_at: str | None
    kind: CorrectionKind
    n: int
    text: str


class CorrectionPatch(TypedDict):
    """Changes to a correction (RFC 7396): absent members stay."""

    kind: NotRequired[CorrectionKind]
    text: NotRequired[Prose]


class CorrectionVersionOut(TypedDict):
    """A former version of a correction."""

    actor_id: str | None
    actor_name: str
    change: Literal['changed', 'withdrawn']
    id: str
    kind: CorrectionKind
    n: int
    person_id: str | None
    replaced_at: str
    text: str


class CorrectionVersionOutList(TypedDict):
    """A page of `CorrectionVersionOut`."""

    data: list[CorrectionVersionOut]
    page: PageOut


class CorrectionWithdrawnMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['article.correction_withdrawn']


CountMode: TypeAlias = Literal['none', 'exact']
"""Whether a list counts all matching items."""


class CountOut(TypedDict):
    """Comments and reactions of an article."""

    comments: int
    inline: int
    reactions: dict[str, int]


class CountsOut(TypedDict):
    """Counts by the ids or slugs that were requested."""

    data: dict[str, CountOut]
    missing: list[str]


class CreateNoticeItem(TypedDict):
    """Creates a notice."""

    body: NoticeIn
    op: Literal['create_notice']


class CreateRedirectItem(TypedDict):
    """Creates a redirect."""

    body: RedirectIn
    op: Literal['create_redirect']


class DecisionBulkIn(TypedDict):
    """One action on several comments."""

    action: Literal['approve', 'reject', 'spam', 'remove', 'restore']
    canned: NotRequired[str | None]
    force: NotRequired[bool]
    ground: NotRequired[DecisionGround | None]
    ids: list[str]
    reason: NotRequired[ShortText | None]


class DecisionBulkOut(TypedDict):
    """One result per comment, in the order in which they were sent."""

    data: list[BulkItemOut]


DecisionGround: TypeAlias = Literal['law', 'terms']
"""Whether a decision rests on the law or on the terms of the publication."""


class DecisionOut(TypedDict):
    """The decision on a comment, as its author sees it."""

    action: str | None
    appeal: AppealOut | None
    at: str | None
    by: Literal['moderator', 'system', 'author'] | None
    may_appeal: bool
    reason: str | None
    redaction: RedactionOut | None
    state: CommentState
    statement: StatementOut | None


class DecisionReasonOut(TypedDict):
    """A reason for a decision."""

    detail: str
    stage: str


class Definition(TypedDict):
    """Terms and their definitions."""

    meanings: list[Content]
    terms: list[Inline]


class DefinitionsBlock(TypedDict):
    """A definition list; `text` has each term and meaning on a line."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    id: BlockId
    items: list[Definition]
    lang: NotRequired[BlockLanguage]
    marks: Marks
    text: BlockText
    type: Literal['definitions']


class DeleteNoticeItem(TypedDict):
    """Deletes a notice."""

    notice: Slug
    op: Literal['delete_notice']


class DeleteOp(TypedDict):
    """Delete a comment."""

    edit_token: NotRequired[str | None]
    id: str
    op: Literal['delete']


class DeleteRedirectItem(TypedDict):
    """Deletes a redirect."""

    op: Literal['delete_redirect']
    redirect: Slug


class DeliveryOut(TypedDict):
    """A message to a webhook, and its state."""

    answer: str
    attempted_at: str | None
    attempts: int
    created_at: str
    error: str
    event: str
    finished_at: str | None
    id: str
    next_attempt_at: str | None
    payload: dict[str, object]
    state: DeliveryState
    status: int | None
    type: str


class DeliveryOutList(TypedDict):
    """A page of `DeliveryOut`."""

    data: list[DeliveryOut]
    page: PageOut


DeliveryState: TypeAlias = Literal['waiting', 'running', 'delivered', 'dead', 'cancelled']
"""The state of a delivery."""


class DetailsBlock(TypedDict):
    """A disclosure widget: content that is shown on demand; `text` has the summary and the content."""

    anchor: NotRequired[BlockAnchor]
    blocks: list[Block]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    open: bool
    summary: Inline
    text: BlockText
    type: Literal['details']


class DiffOut(TypedDict):
    """The changes between two revisions."""

    blocks: list[BlockChange]
    fields: list[FieldChange]
    new: int
    new_terms: ChangedTermsOut
    old: int
    old_terms: ChangedTermsOut


Direction: TypeAlias = Literal['ltr', 'rtl', 'auto']
"""The direction of a text."""


class DiscussionIn(TypedDict):
    """Discussion settings; null or absent values are inherited."""

    close_after_days: NotRequired[int | None]
    moderation: NotRequired[DiscussionModeration | None]
    prompt: NotRequired[str | None]
    state: NotRequired[DiscussionState | None]


class DiscussionMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['discussion.changed']


DiscussionModeration: TypeAlias = Literal['post', 'pre']
"""Whether comments are moderated before or after they show."""


class DiscussionOut(TypedDict):
    """State and counts of the article's discussion."""

    closes_at: str | None
    comments: int
    inline: int
    prompt: str | None
    state: DiscussionState


class DiscussionRules(TypedDict):
    """The rules of all discussions."""

    edit_window: int
    max_length: int
    max_name_length: int
    reactions: list[str]


class DiscussionSettingsOut(TypedDict):
    """Own and effective discussion settings."""

    effective: EffectiveDiscussionOut
    own: OwnDiscussionOut


DiscussionState: TypeAlias = Literal['open', 'closed', 'hidden']
"""Whether readers may comment and see comments."""


class DividerBlock(TypedDict):
    """A thematic break, usually shown as a line."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    text: BlockText
    type: Literal['divider']


class DraftNoteIn(TypedDict):
    """A new note."""

    anchor: NotRequired[AnchorIn | None]
    assignee: NotRequired[str | None]
    parent: NotRequired[Slug | None]
    text: Prose


class DraftNoteOut(TypedDict):
    """A note."""

    actor_id: str | None
    anchor: NoteAnchorOut | None
    article_id: str
    assignee: str | None
    by: str
    created_at: str
    done: bool
    done_at: str | None
    done_by: str | None
    edited_at: str | None
    id: str
    parent_id: str | None
    person_id: str | None
    text: str
    version: int


class DraftNoteOutList(TypedDict):
    """A page of `DraftNoteOut`."""

    data: list[DraftNoteOut]
    page: PageOut


class DraftNotePatch(TypedDict):
    """Changes to a note (RFC 7396)."""

    assignee: NotRequired[str | None]
    done: NotRequired[bool]
    text: NotRequired[Prose]


class DroppedOut(TypedDict):
    """Content of the body sent that the article does not keep."""

    count: int
    element: str
    near: str
    reason: Literal['unsupported', 'address', 'data_image']


class EditOp(TypedDict):
    """Edit a comment."""

    changes: CommentPatch
    edit_token: NotRequired[str | None]
    id: str
    op: Literal['edit']


EditorialStreamEvent: TypeAlias = 'ApprovalMessage | ArticleHeldMessage | LockReleasedMessage | LockTakenMessage | NoteChangedMessage | NoteCreatedMessage | NoteDeletedMessage | ReleaseFailedMessage | TaskChangedMessage | TaskDeletedMessage | TaskMessage'
"""The `data` of an event of `/v1/editorial/live`, which is named by its `type`."""


class EditorsOut(TypedDict):
    """Fields that only keys with `content:read` or `content:write` get."""

    approval: ApprovalOut
    created_at: str
    custom: dict[str, object] | None
    edited_at: str
    latest_revision: int
    scheduled_at: str | None
    scheduled_revision: int | None
    syndication: SyndicationLevel | None
    version: int


class EffectiveDiscussionOut(TypedDict):
    """The settings that apply, including inherited ones."""

    close_after_days: int
    closes_at: str | None
    moderation: DiscussionModeration
    prompt: str | None
    state: DiscussionState


class EffectiveRuleOut(TypedDict):
    """The rule that applies."""

    four_eyes: bool
    required: bool
    roles: list[str] | None


class EmbedBlock(TypedDict):
    """Content of another site, such as a video or a post, to be embedded by the front end; `text` is its
    caption."""

    anchor: NotRequired[BlockAnchor]
    blocks: NotRequired[list[Block]]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    provider: str | None
    text: BlockText
    title: str | None
    type: Literal['embed']
    url: str


class EndAccountSessionsForm(TypedDict):
    """Fields of the form of `endAccountSessions`."""

    logout_token: str


class ErrorDetail(TypedDict):
    """An error at one place of the request."""

    code: str
    detail: str
    parameter: NotRequired[str | None]
    pointer: NotRequired[str | None]


class EventData(TypedDict):
    """The members of all messages; streams send more."""

    cache_groups: NotRequired[list[str]]
    etag: NotRequired[str | None]
    id: str
    person_id: NotRequired[str | None]
    position: NotRequired[str]


class FeaturedIn(TypedDict):
    """Whether a comment is featured."""

    value: bool


class FetchOut(TypedDict):
    """A revision that a partner read."""

    first_at: str
    id: str
    key: PartnerOut
    last_at: str
    level: SyndicationLevel
    revision: int
    times: int


class FetchOutList(TypedDict):
    """A page of `FetchOut`."""

    data: list[FetchOut]
    page: PageOut


class FieldChange(TypedDict):
    """A changed field."""

    field: str
    new: object
    old: object


FilterValues: TypeAlias = 'str'
"""Values of a filter, comma-separated; a leading hyphen excludes them."""


class FocalPoint(TypedDict):
    """The point of a picture that crops keep in view."""

    x: float
    y: float


class FootnotesBlock(TypedDict):
    """The footnotes; `text` has each on a line, with its number."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    notes: list[Note]
    text: BlockText
    type: Literal['footnotes']


class ListedArticleOut(TypedDict):
    """An article in a list, with its text only if `formats` names a format."""

    authors: list[TermOut]
    body: NotRequired[BodyOut | None]
    breadcrumbs: list[BreadcrumbOut]
    canonical_url: str | None
    corrections: list[CorrectionOut]
    dek: str | None
    discussion: DiscussionOut
    editing: NotRequired[EditorsOut | None]
    excerpt: str
    featured: bool
    id: str
    image: ImageOut | None
    language: str
    notices: list[NoticeOut]
    published_at: str | None
    reactions: dict[str, int]
    reading_minutes: int
    revision: int
    rights: RightsOut
    section: ArticleSectionOut | None
    seo: ArticleSeoOut | None
    series: TermOut | None
    slug: str
    source: SourceOut | None
    state: ArticleState
    tags: list[TagOut]
    title: str
    type: str
    updated_at: str
    url: str
    word_count: int


class FoundArticleOut(ListedArticleOut):
    """A matching article and its score."""

    highlight: HighlightOut
    score: float


class FoundArticleOutList(TypedDict):
    """A page of `FoundArticleOut`."""

    data: list[FoundArticleOut]
    page: PageOut


FrontBlockKind: TypeAlias = Literal['pinned', 'newest', 'discussed', 'reacted']
"""How the articles of a front's block are chosen."""


class FrontContent(TypedDict):
    """What a front shows."""

    blocks: list[BlockIn]
    title: Title


class FrontDefinition(TypedDict):
    """The published version and the draft of a front."""

    created_at: str
    draft: FrontVersion | None
    id: str
    published: FrontVersion | None
    slug: str
    updated_at: str
    version: int


class FrontIn(TypedDict):
    """A new or replaced front."""

    blocks: list[BlockIn]
    state: NotRequired[Literal['published', 'draft']]
    title: Title


class FrontItem(TypedDict):
    """Publishes a front with these blocks; a front that does not exist is created. Its draft stays."""

    body: FrontContent
    front: Slug
    op: Literal['front']


class FrontOut(TypedDict):
    """A front with its blocks and articles."""

    blocks: list[BlockOut]
    id: str
    slug: str
    title: str
    updated_at: str
    url: str


class FrontVersion(TypedDict):
    """A version of a front."""

    at: str
    blocks: list[BlockDefinition]
    title: str


class GalleryBlock(TypedDict):
    """A gallery of pictures; `text` has their captions, one per line."""

    anchor: NotRequired[BlockAnchor]
    caption: Inline | None
    dir: NotRequired[Direction]
    id: BlockId
    images: list[ImageBlock]
    lang: NotRequired[BlockLanguage]
    marks: Marks
    text: BlockText
    type: Literal['gallery']


class GrantOut(TypedDict):
    """Scopes that hold together, everywhere or in some sections."""

    role: str | None
    scopes: list[str]
    sections: list[str] | None


class GuestOut(TypedDict):
    """A new guest, with the guest token."""

    guest_token: str
    id: str


class HeadOut(TypedDict):
    """What goes into the head of an article's page."""

    canonical_url: str
    description: str
    open_graph: dict[str, str | list[str]]
    robots: str | None
    title: str
    twitter: dict[str, str]


class HeadingBlock(TypedDict):
    """A heading of level 1 (highest) to 6."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    level: int
    marks: Marks
    text: BlockText
    type: Literal['heading']


class HighlightOut(TypedDict):
    """Highlighted matches: HTML in which `<mark>` is the only markup and everything else is escaped."""

    dek: str | None
    text: str
    title: str


class HomeFront(TypedDict):
    """The front at `/`."""

    id: str
    slug: str
    title: str


class IdentityOut(TypedDict):
    """An account at a provider with which a person signs in."""

    created_at: str
    id: str
    issuer: str
    last_used_at: str | None
    provider: str | None


class IdentityOutList(TypedDict):
    """A page of `IdentityOut`."""

    data: list[IdentityOut]
    page: PageOut


class ImageBlock(TypedDict):
    """A picture; `text` is its caption."""

    alt: str
    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    height: int | None
    id: BlockId
    lang: NotRequired[BlockLanguage]
    link: str | None
    marks: Marks
    picture: NotRequired[BlockPicture]
    src: str
    text: BlockText
    title: str | None
    type: Literal['image']
    width: int | None


class ImageOut(TypedDict):
    """A picture as articles and authors show it."""

    alt: str
    animated: bool
    caption: str
    credit: str
    crops: list[RenditionOut]
    focal_point: FocalPoint | None
    height: int | None
    id: str
    provenance: Literal['c2pa'] | None
    renditions: list[RenditionOut]
    url: str
    width: int | None


class Inline(TypedDict):
    """Text with marks."""

    marks: Marks
    text: BlockText


class InvitationIn(TypedDict):
    """An invitation."""

    token: str


class InvitationOut(TypedDict):
    """A new invitation."""

    expires_at: str
    id: str
    person_id: str
    token: str
    url: str


class JudgedArticleOut(TypedDict):
    """The article of a comment."""

    id: str
    slug: str
    title: str


class JudgedAuthorOut(TypedDict):
    """The author of a comment, as moderators see them."""

    approved: int
    badges: list[str]
    confirmed: bool
    email: str | None
    id: str
    kind: CommentAuthorKind
    name: str
    rejected: int


class JudgedCommentOut(TypedDict):
    """A comment as moderators see it, with its text in every state."""

    anchor_id: str | None
    approved_text: bool
    article: JudgedArticleOut
    author: JudgedAuthorOut
    created_at: str
    depth: int
    edited_at: str | None
    featured: bool
    html: str
    id: str
    parent_id: str | None
    redacted_at: str | None
    removed_by: CommentRemover | None
    replies: int
    root_id: str
    shadow: bool
    source: str
    state: CommentState
    text: str
    version: int
    votes: VotesOut


class JudgedCommentOutList(TypedDict):
    """A page of `JudgedCommentOut`."""

    data: list[JudgedCommentOut]
    page: PageOut


class KeyIn(TypedDict):
    """A new key."""

    expires_at: NotRequired[str | None]
    name: Name
    person_id: NotRequired[str | None]
    quota_day: NotRequired[int | None]
    quota_minute: NotRequired[int | None]
    scopes: list[Scope]
    sections: NotRequired[list[Slug] | None]


class KeyOut(TypedDict):
    """A key, without the key itself."""

    created_at: str
    expires_at: str | None
    hint: str
    id: str
    last_used_at: str | None
    name: str
    person_id: str | None
    quota_day: int | None
    quota_minute: int | None
    revoked_at: str | None
    scopes: list[str]
    sections: list[str] | None


class KeyOutList(TypedDict):
    """A page of `KeyOut`."""

    data: list[KeyOut]
    page: PageOut


class KeyPatch(TypedDict):
    """Changes to a key (RFC 7396): absent members stay."""

    expires_at: NotRequired[str | None]
    name: NotRequired[Name]
    person_id: NotRequired[str | None]
    quota_day: NotRequired[int | None]
    quota_minute: NotRequired[int | None]
    scopes: NotRequired[list[Scope]]
    sections: NotRequired[list[Slug] | None]


class LeaseOut(TypedDict):
    """Who has claimed a comment."""

    by: str
    until: str


class NestedList(TypedDict):
    """A list inside a list item."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    items: list[ListItem]
    lang: NotRequired[BlockLanguage]
    ordered: bool
    reversed: NotRequired[Literal[True]]
    start: int
    style: NotRequired[ListStyle]


class ListBlock(NestedList):
    """A list; `text` has each item on a line; the marks are in `items`."""

    id: BlockId
    marks: Marks
    text: BlockText
    type: Literal['list']


class ListItem(TypedDict):
    """A list item with its nested list; if there are `blocks`, these contain the nested list too."""

    blocks: NotRequired[list[Block]]
    checked: NotRequired[bool]
    items: NestedList | None
    marks: Marks
    text: BlockText
    value: NotRequired[int]


ListStyle: TypeAlias = Literal['a', 'A', 'i', 'I']
"""How the items of a list are numbered: by letters or Roman numerals."""


class ListedArticleOutList(TypedDict):
    """A page of `ListedArticleOut`."""

    data: list[ListedArticleOut]
    page: PageOut


class ListedFront(TypedDict):
    """A front in the list; keys with `content:read` for all sections get its definition, and fronts without one."""

    created_at: NotRequired[str | None]
    draft: NotRequired[FrontVersion | None]
    id: str
    published: NotRequired[FrontVersion | None]
    slug: str
    title: str
    updated_at: str
    url: str
    version: NotRequired[int | None]


class ListedFrontList(TypedDict):
    """A page of `ListedFront`."""

    data: list[ListedFront]
    page: PageOut


class LiveArticleOut(TypedDict):
    """Data of `article.updated`."""

    fields: list[str]
    id: str
    reason: str | None
    revision: int
    slug: str
    state: Literal['published', 'unpublished', 'retracted']


class LiveCountsOut(TypedDict):
    """Data of `counts`."""

    comments: int
    inline: int
    reactions: dict[str, int]
    votes: dict[str, VotesOut]


class LiveRemovedOut(TypedDict):
    """Data of `comment.removed`; a comment with replies becomes a tombstone."""

    article_id: str
    id: str
    parent_id: str | None
    root_id: str


class LockIn(TypedDict):
    """How to take or renew the lock of an article."""

    force: NotRequired[bool]
    seconds: NotRequired[int]


class LockOut(TypedDict):
    """Who edits an article now. It prevents nothing: saves are guarded by `If-Match` alone."""

    actor_id: str | None
    article: TaskArticleOut
    by: str
    expires_at: str
    person_id: str | None
    since: str


class LockOutList(TypedDict):
    """A page of `LockOut`."""

    data: list[LockOut]
    page: PageOut


class LockReleasedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['lock.released']


class LockTakenMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['lock.taken']


class LogOut(TypedDict):
    """An entry of the moderation log."""

    action: str
    actor_id: str | None
    actor_kind: str
    article_id: str | None
    at: str
    canned_id: str | None
    comment_id: str | None
    ground: DecisionGround | None
    id: str
    note: str | None
    person_id: str | None
    reasons: list[DecisionReasonOut]
    state: str | None


class LogOutList(TypedDict):
    """A page of `LogOut`."""

    data: list[LogOut]
    page: PageOut


class MailData(TypedDict):
    """A mail that was sent, or was to be sent."""

    created_at: str
    finished_at: str | None
    state: str
    what: str


class ManageTokenOut(TypedDict):
    """The token with which a subscriber manages subscriptions."""

    manage_token: str


class Mark(TypedDict):
    """A mark over the text from `start` up to, not including, `end`."""

    anchor: NotRequired[str]
    dir: NotRequired[Direction]
    end: int
    height: NotRequired[int]
    href: str | None
    lang: NotRequired[str]
    note: NotRequired[str]
    src: NotRequired[str]
    start: int
    title: str | None
    type: Literal['anchor', 'link', 'footnote', 'span', 'override', 'isolate', 'abbreviation', 'quotation', 'cite', 'strong', 'emphasis', 'underline', 'strike', 'insertion', 'highlight', 'small', 'superscript', 'subscript', 'code', 'image']
    width: NotRequired[int]


Marks: TypeAlias = 'list[Mark]'
"""Marks over `text`; they may overlap."""


class MediaOut(ImageOut):
    """A picture with all its members."""

    bytes: int | None
    created_at: str
    mime: str | None
    original: OriginalOut | None
    sha256: str | None
    state: Literal['stored', 'reference']
    updated_at: str
    uses: int
    warnings: list[str]


class MediaOutList(TypedDict):
    """A page of `MediaOut`."""

    data: list[MediaOut]
    page: PageOut


class MediaPatch(TypedDict):
    """Changes to the description of a picture (RFC 7396)."""

    alt: NotRequired[Summary]
    caption: NotRequired[Summary]
    credit: NotRequired[str]
    focal_point: NotRequired[FocalPoint | None]


class MediaSource(TypedDict):
    """A media file in another format."""

    mime: str | None
    src: str


class MediaTrack(TypedDict):
    """A text track of audio or video, such as subtitles (WebVTT)."""

    default: bool
    kind: Literal['subtitles', 'captions', 'descriptions', 'chapters', 'metadata']
    label: str | None
    lang: str | None
    src: str


class MediaUseOut(TypedDict):
    """A place where a picture is used."""

    id: str
    kind: Literal['article', 'author', 'site']
    role: Literal['image', 'text', 'seo', 'logo', 'icon']
    title: str


class MediaUsesOut(TypedDict):
    """Where a picture is used, at most 100 places of each kind and role."""

    data: list[MediaUseOut]


class MenuDefinition(TypedDict):
    """A menu as editors saved it."""

    items: list[MenuItemDefinition]
    name: str


class MenuIn(TypedDict):
    """A menu: a named tree of links."""

    items: list[MenuItemIn]
    name: Slug


class MenuItemDefinition(TypedDict):
    """A link of a menu as editors saved it, with ids."""

    article: NotRequired[str | None]
    author: NotRequired[str | None]
    front: NotRequired[str | None]
    items: list[MenuItemDefinition]
    section: NotRequired[str | None]
    series: NotRequired[str | None]
    tag: NotRequired[str | None]
    title: str | None
    url: NotRequired[str | None]


class MenuItemIn(TypedDict):
    """A link of a menu: exactly one of article, section, tag, author, series, front and url, with links below
    it."""

    article: NotRequired[Slug | None]
    author: NotRequired[Slug | None]
    front: NotRequired[Slug | None]
    items: NotRequired[list[MenuItemIn]]
    section: NotRequired[Slug | None]
    series: NotRequired[Slug | None]
    tag: NotRequired[Slug | None]
    title: NotRequired[Title | None]
    url: NotRequired[str | None]


class MenuItemOut(TypedDict):
    """A link of a menu."""

    id: str | None
    items: list[MenuItemOut]
    kind: Literal['article', 'section', 'tag', 'author', 'series', 'front', 'url']
    slug: str | None
    title: str
    url: str


class MenuOut(TypedDict):
    """A menu: a named tree of links. Links to what is not public are left out."""

    items: list[MenuItemOut]
    name: str


class MergeIn(TypedDict):
    """The target of a merge."""

    into: Slug | None


class MergeOut(TypedDict):
    """A merge and its progress."""

    created_at: str
    done: int
    finished_at: str | None
    id: str
    into: str | None
    kind: Literal['tag', 'author', 'series']
    source: MergedTermOut
    state: Literal['running', 'done']
    total: int


class MergedTermOut(TypedDict):
    """The term that is merged."""

    id: str
    slug: str


ModerationStreamEvent: TypeAlias = 'ArticleReportedMessage | CommentAppealedMessage | CommentClaimedMessage | CommentDecidedMessage | CommentHeldMessage | CommentReportedMessage'
"""The `data` of an event of `/v1/moderation/live`, which is named by its `type`."""


class MyVotesOut(TypedDict):
    """The caller's reaction to an article and votes on its comments."""

    reaction: str | None
    votes: dict[str, int]


Name: TypeAlias = 'str'
"""A name on one line, 1 to 200 characters, some of them visible."""


class NamedTermOut(TypedDict):
    """A section, tag, series or author as a revision names it."""

    id: str
    name: str
    slug: str


class NeighboursOut(TypedDict):
    """The articles published just before and just after an article."""

    next: ListedArticleOut | None
    previous: ListedArticleOut | None


class NewKeyOut(KeyOut):
    """A new key, with the key itself."""

    key: str


class NewPersonIn(TypedDict):
    """A new person."""

    email: str
    name: Name


class NewPreviewOut(TypedDict):
    """A new preview link, with its token, which no later response contains."""

    article_id: str
    created_at: str
    expires_at: str
    id: str
    revoked_at: str | None
    token: str


class NewReleasePreviewOut(TypedDict):
    """A new preview link of a release, with its token, which no later response contains."""

    created_at: str
    expires_at: str
    id: str
    release_id: str
    revoked_at: str | None
    token: str


class WebhookOut(TypedDict):
    """A webhook, without its secret."""

    created_at: str
    description: str
    disabled_at: str | None
    disabled_reason: str | None
    editorial: bool
    enabled: bool
    events: list[str]
    failed_at: str | None
    failing_since: str | None
    failures: int
    id: str
    moderation: bool
    old_secret_until: str | None
    succeeded_at: str | None
    updated_at: str
    url: str
    version: int


class NewWebhookOut(WebhookOut):
    """A webhook with its secret, which is shown only once."""

    secret: str


class Note(TypedDict):
    """A footnote; marks of type `footnote` refer to its id."""

    blocks: NotRequired[list[Block]]
    id: str
    marks: Marks
    text: BlockText


class NoteAnchorOut(TypedDict):
    """The passage that a note is about, and where it is in the revision that was asked for."""

    block_id: str | None
    end: int | None
    exact: str
    prefix: str
    quoted_revision: int
    revision: int
    scope: Literal['editorial']
    start: int | None
    state: Literal['anchored', 'moved', 'changed', 'orphaned']
    suffix: str


class NoteChangedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['note.changed']


class NoteCreatedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['note.created']


class NoteDeletedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['note.deleted']


class NoteIn(TypedDict):
    """A note on a person."""

    text: ShortText


class NoteOut(TypedDict):
    """A note on a person."""

    created_at: str
    created_by: str
    id: str
    person_id: str | None
    text: str


class NoteOutList(TypedDict):
    """A page of `NoteOut`."""

    data: list[NoteOut]
    page: PageOut


class NoticeDetailOut(TypedDict):
    """A notice with all its members."""

    created_at: str
    html: str
    id: str
    placement: Placement
    position: int
    scope: NoticeScope
    target_id: str | None
    text: str
    updated_at: str


class NoticeDetailOutList(TypedDict):
    """A page of `NoticeDetailOut`."""

    data: list[NoticeDetailOut]
    page: PageOut


class NoticeIn(TypedDict):
    """A new notice."""

    html: NotRequired[str | None]
    placement: Placement
    position: NotRequired[int]
    scope: NoticeScope
    target_id: NotRequired[Slug | None]
    text: NotRequired[str | None]


class NoticeOut(TypedDict):
    """A notice shown with the article."""

    html: str
    id: str
    placement: Placement
    scope: NoticeScope
    text: str


class NoticePatch(TypedDict):
    """Changes to a notice (RFC 7396); scope and target cannot be changed."""

    html: NotRequired[str]
    placement: NotRequired[Placement]
    position: NotRequired[int]
    text: NotRequired[str]


NoticeScope: TypeAlias = Literal['site', 'section', 'series', 'author', 'article']
"""What a notice is attached to."""


class NoticesOut(TypedDict):
    """Notices of one ground."""

    dismissed: int
    open: int
    reason: str
    received: int
    target: ReportTarget
    upheld: int


Notify: TypeAlias = Literal['none', 'replies', 'all']
"""About which later comments the author is notified by e-mail."""


OffsetUnit: TypeAlias = Literal['codepoint', 'utf16']
"""The unit of `start` and `end`."""


class OidcFinishIn(TypedDict):
    """What the browser returned with, and the binding that it kept."""

    binding: str
    code: str
    iss: NotRequired[str | None]
    state: str


class OidcIn(TypedDict):
    """The provider through which somebody wants to sign in."""

    provider: str
    redirect_uri: str


class OidcOut(TypedDict):
    """A sign-in that has begun."""

    binding: str
    state: str
    url: str


class OneSubscriberOut(TypedDict):
    """A subscriber with all subscriptions."""

    all: list[SubscriptionOut]
    confirmed_at: str | None
    created_at: str
    email: str
    id: str
    subscriptions: int


class OriginalOut(TypedDict):
    """The file of a picture as it was sent, which editors can download and nobody else is served."""

    bytes: int
    location: bool
    mime: str
    sha256: str


class OwnCommentOut(CommentOut):
    """A comment as its author sees it."""

    source: str | None


class OwnCommentOutList(TypedDict):
    """A page of `OwnCommentOut`."""

    data: list[OwnCommentOut]
    page: PageOut


class OwnDiscussionOut(TypedDict):
    """The settings of this level; null: inherited."""

    close_after_days: int | None
    closes_at: str | None
    moderation: DiscussionModeration | None
    prompt: str | None
    state: DiscussionState | None


class OwnRepliesOut(TypedDict):
    """A page of what others replied."""

    data: list[CommentOut]
    page: PageOut
    unread: int


class OwnRuleOut(TypedDict):
    """The rule of this level."""

    four_eyes: bool
    required: bool | None
    roles: list[str] | None


class PageOut(TypedDict):
    """The position of a page in its list."""

    limit: int
    next: str | None
    prev: NotRequired[str | None]
    total: int | None


class ParagraphBlock(TypedDict):
    """A paragraph."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    text: BlockText
    type: Literal['paragraph']


class ParentSectionOut(TypedDict):
    """The parent of a section."""

    id: str
    name: str
    slug: str
    url: str


class ParticipantData(TypedDict):
    """A participant: an identity under which the person wrote, voted or reported."""

    approved: int
    confirmed_at: str | None
    created_at: str
    email: str | None
    id: str
    kind: str
    name: str | None
    rejected: int
    subject: str | None


class PartnerOut(TypedDict):
    """The key of a partner."""

    id: str
    name: str


class PartnersIn(TypedDict):
    """The partners who may read an article before it is public."""

    keys: list[str]


class PartnersOut(TypedDict):
    """The partners who may read an article before it is public."""

    article_id: str
    keys: list[PartnerOut]


class PassageData(TypedDict):
    """A passage that the person marked in an article."""

    article_id: str
    created_at: str
    exact: str | None
    id: str


class PassageOut(AnchorOut):
    """An anchor with its context."""

    article_id: str
    comments: int
    created_at: str
    prefix: str | None
    redacted: bool
    suffix: str | None


class PassageOutList(TypedDict):
    """A page of `PassageOut`."""

    data: list[PassageOut]
    page: PageOut


class PasskeyIn(TypedDict):
    """A new passkey."""

    credential: dict[str, object]
    name: Name


class PasskeyOut(TypedDict):
    """A passkey."""

    backed_up: bool
    created_at: str
    id: str
    last_used_at: str | None
    name: str


class PasskeyOutList(TypedDict):
    """A page of `PasskeyOut`."""

    data: list[PasskeyOut]
    page: PageOut


class PasskeySignInIn(TypedDict):
    """The answer of an authenticator."""

    credential: dict[str, object]


class PasswordIn(TypedDict):
    """A new password."""

    password: str


class PasswordSignInIn(TypedDict):
    """An e-mail address and a password."""

    device: NotRequired[str | None]
    email: str
    password: str
    totp: NotRequired[str | None]


class PersonActionOut(TypedDict):
    """An action on a person, and how far it has come."""

    ban: PersonBan | None
    ban_id: str | None
    created_at: str
    created_by: str | None
    finished_at: str | None
    ground: DecisionGround | None
    id: str
    reason: str | None
    remove_all: bool
    removed: int
    restored: int
    sections: list[str] | None
    state: Literal['done', 'removing', 'restoring', 'undone']
    until: str | None


class PersonActionOutList(TypedDict):
    """A page of `PersonActionOut`."""

    data: list[PersonActionOut]
    page: PageOut


PersonBan: TypeAlias = Literal['full', 'shadow']
"""Whether a ban refuses comments, or shows them to their author alone."""


class PersonGrantIn(TypedDict):
    """A role to give to a person."""

    role: str
    sections: NotRequired[list[Slug] | None]


class PersonGrantOut(TypedDict):
    """A role of a person."""

    provider: str | None
    role: str
    sections: list[str] | None


class PersonIn(TypedDict):
    """A person: by e-mail address, or by the id of somebody of the staff, who may have been deleted."""

    email: NotRequired[str | None]
    person_id: NotRequired[str | None]


class PersonOut(TypedDict):
    """A person of the staff."""

    created_at: str
    email: str | None
    grants: list[PersonGrantOut]
    id: str
    mails: bool | None
    methods: list[Literal['password', 'totp', 'passkey', 'oidc']] | None
    name: str
    signed_in_at: str | None
    state: PersonState


class PersonOutList(TypedDict):
    """A page of `PersonOut`."""

    data: list[PersonOut]
    page: PageOut


class PersonPatch(TypedDict):
    """Changes to a person (RFC 7396): absent members stay."""

    email: NotRequired[str]
    mails: NotRequired[bool]
    name: NotRequired[Name]
    suspended: NotRequired[bool]


PersonState: TypeAlias = Literal['invited', 'active', 'suspended', 'deleted']
"""Whether somebody of the staff may sign in."""


class PersonalData(TypedDict):
    """Everything that is stored about a person."""

    appeals: list[AppealData]
    bans: list[BanData]
    comment_revisions: list[CommentRevisionData]
    comments: list[CommentData]
    cut: list[str]
    email: str | None
    mails: list[MailData]
    participants: list[ParticipantData]
    passages: list[PassageData]
    reactions: list[ReactionData]
    reports: list[ReportData]
    staff: StaffData | None
    subscriptions: list[SubscriptionOut]
    suppression: SuppressionData | None
    votes: list[VoteData]


PhraseAction: TypeAlias = Literal['hold', 'reject', 'spam']
"""What is done with a comment that contains a watched phrase."""


class PhraseIn(TypedDict):
    """A phrase to watch for. Case, accents, spacing and look-alike letters of other scripts are ignored."""

    action: NotRequired[PhraseAction]
    match: NotRequired[PhraseMatch]
    note: NotRequired[ShortText | None]
    text: str


PhraseMatch: TypeAlias = Literal['word', 'text']
"""Whether a phrase is found as whole words or anywhere."""


class PhraseOut(TypedDict):
    """A watched phrase."""

    action: PhraseAction
    created_at: str
    id: str
    match: PhraseMatch
    note: str | None
    text: str
    updated_at: str
    version: int


class PhraseOutList(TypedDict):
    """A page of `PhraseOut`."""

    data: list[PhraseOut]
    page: PageOut


class PhrasePatch(TypedDict):
    """Changes to a phrase (RFC 7396 merge patch)."""

    action: NotRequired[PhraseAction]
    match: NotRequired[PhraseMatch]
    note: NotRequired[ShortText | None]
    text: NotRequired[str]


class PhrasesIn(TypedDict):
    """Phrases to watch for."""

    phrases: list[PhraseIn]


class PhrasesOut(TypedDict):
    """The phrases that were created."""

    data: list[PhraseOut]


class PictureRendition(TypedDict):
    """A smaller copy of a stored picture."""

    height: int
    mime: str
    name: str
    url: str
    width: int


class PinsIn(TypedDict):
    """The articles to pin, in order."""

    ids: list[Slug]


Placement: TypeAlias = Literal['before', 'after', 'both']
"""Where a notice is shown."""


class PostOp(TypedDict):
    """Post a comment. Its `id` is required, so that the list can be sent again."""

    article: str
    comment: CommentIn
    id: str
    op: Literal['post']


class PostedOut(CommentOut):
    """A comment in the response to its author, with the tokens for later requests."""

    edit_token: str | None
    guest_token: str | None


class PreviewIn(TypedDict):
    """A new preview link."""

    hours: NotRequired[int]


class PreviewOut(TypedDict):
    """A preview link, without its token."""

    article_id: str
    created_at: str
    expires_at: str
    id: str
    revoked_at: str | None


class PreviewOutList(TypedDict):
    """A page of `PreviewOut`."""

    data: list[PreviewOut]
    page: PageOut


class ProblemOut(TypedDict):
    """RFC 9457 problem details."""

    code: str
    detail: str
    errors: NotRequired[list[ErrorDetail] | None]
    request_id: str
    status: int
    title: str
    type: str


class PromptIn(TypedDict):
    """A prompt: a passage with a question to readers."""

    end: NotRequired[int | None]
    exact: ShortText
    prefix: NotRequired[str | None]
    question: Title
    revision: NotRequired[int | None]
    start: NotRequired[int | None]
    suffix: NotRequired[str | None]
    unit: NotRequired[OffsetUnit]


Prose: TypeAlias = 'str'
"""Plain text of 1 to 10,000 characters, some of them visible."""


class ProviderOut(TypedDict):
    """A provider through which people sign in."""

    id: str
    name: str


class PublishIn(TypedDict):
    """The revision to publish."""

    revision: NotRequired[int | None]


class PublishItem(TypedDict):
    """Publishes a revision of an article, for the first time or as an update."""

    article: Slug
    op: Literal['publish']
    revision: NotRequired[int | None]


class PurgeIn(TypedDict):
    """The reason for purging an article."""

    reason: Prose


class QueueCountsOut(TypedDict):
    """How many comments wait, and why. A number that reached `limit` may be larger."""

    claimed: int
    limit: int
    oldest: str | None
    reasons: dict[str, int]
    reports: dict[str, int]
    states: dict[str, int]


class QueueItemOut(TypedDict):
    """A waiting comment with everything needed to decide."""

    appeal: QueuedAppealOut | None
    comment: JudgedCommentOut
    id: str
    lease: LeaseOut | None
    reasons: list[DecisionReasonOut]
    reports: QueuedReportsOut
    risk: int


class QueueItemOutList(TypedDict):
    """A page of `QueueItemOut`."""

    data: list[QueueItemOut]
    page: PageOut


QueueSort: TypeAlias = Literal['oldest', 'newest', 'most_reported', 'riskiest']
"""The order of the moderation queue."""


QueueState: TypeAlias = Literal['pending', 'spam', 'rejected', 'removed', 'published', 'reported', 'appealed', 'any']
"""The state of comments in the moderation queue."""


class QueuedAppealOut(TypedDict):
    """The author's open appeal."""

    created_at: str
    text: str


class QueuedReportOut(TypedDict):
    """One open report of the comment."""

    created_at: str
    email: str | None
    id: str
    reason: str
    text: str | None


class QueuedReportsOut(TypedDict):
    """Open reports on the comment."""

    by_reason: dict[str, int]
    count: int
    latest: list[QueuedReportOut]
    weight: float


class QuoteBlock(TypedDict):
    """A quotation; `cite` is its source, `text` only the quotation."""

    anchor: NotRequired[BlockAnchor]
    blocks: NotRequired[list[Block]]
    cite: Inline | None
    dir: NotRequired[Direction]
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    text: BlockText
    type: Literal['quote']


class ReactionData(TypedDict):
    """A reaction."""

    address_hash: str | None
    article_id: str
    at: str
    counted: bool
    value: str


class ReactionIn(TypedDict):
    """A reaction."""

    value: str | None


class ReactionOut(TypedDict):
    """The caller's reaction, and the article's counted reactions."""

    reactions: dict[str, int]
    value: str | None


class ReasonIn(TypedDict):
    """The reason for a decision."""

    canned: NotRequired[str | None]
    ground: NotRequired[DecisionGround | None]
    reason: NotRequired[ShortText | None]


class ReceivedOut(TypedDict):
    """The answer to every report."""

    received: Literal[True]


class RecoveryCodesOut(TypedDict):
    """Codes to sign in with where the authenticator is lost; each is good for once."""

    recovery_codes: list[str]


class RedactIn(TypedDict):
    """Passages to redact in a comment."""

    passages: list[str]
    reason: NotRequired[ShortText | None]


class RedactionOut(TypedDict):
    """The last redaction of a comment, as its author sees it."""

    at: str
    reason: str | None


class RedirectIn(TypedDict):
    """A redirect."""

    source: str
    status: NotRequired[RedirectStatus]
    target: NotRequired[str | None]


class RedirectOut(TypedDict):
    """A redirect."""

    created_at: str
    id: str
    source: str
    status: RedirectStatus
    target: str | None
    updated_at: str


class RedirectOutList(TypedDict):
    """A page of `RedirectOut`."""

    data: list[RedirectOut]
    page: PageOut


class RedirectPatch(TypedDict):
    """Changes to a redirect (RFC 7396)."""

    source: NotRequired[str]
    status: NotRequired[RedirectStatus]
    target: NotRequired[str | None]


RedirectStatus: TypeAlias = Literal[301, 302, 410]
"""301 moved permanently, 302 moved for now, 410 gone."""


class RedirectsImported(TypedDict):
    """The result of an import of redirects."""

    changed: int
    created: int
    unchanged: int


class RefreshIn(TypedDict):
    """The refresh token of a session."""

    refresh_token: str


class RelatedOut(TypedDict):
    """A related article."""

    article: ListedArticleOut
    kind: Literal['pinned', 'series', 'automatic']
    reason: RelatedReasonOut
    score: float | None


class RelatedOutList(TypedDict):
    """A page of `RelatedOut`."""

    data: list[RelatedOut]
    page: PageOut


class RelatedReasonOut(TypedDict):
    """Why an article is related."""

    terms: list[str]
    text: str


class ReleaseCheckOut(TypedDict):
    """Everything that is in the way of a release."""

    problems: list[ReleaseProblemOut]
    ready: bool


class ReleaseFailedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['release.failed']


class ReleaseFailureOut(TypedDict):
    """Why a scheduled release was not published."""

    at: str
    code: str
    detail: str
    item: str | None


class ReleaseIn(TypedDict):
    """A new release."""

    name: Name
    note: NotRequired[Summary | None]


ReleaseItemOp: TypeAlias = Literal['publish', 'unpublish', 'front', 'create_notice', 'change_notice', 'delete_notice', 'create_redirect', 'change_redirect', 'delete_redirect']
"""What an item of a release does."""


class ReleaseItemOut(TypedDict):
    """One change of a release."""

    article: str | None
    body: dict[str, object] | None
    front: str | None
    id: str
    notice: str | None
    op: ReleaseItemOp
    redirect: str | None
    revision: int | None
    title: str | None


class ReleaseItemOutList(TypedDict):
    """A page of `ReleaseItemOut`."""

    data: list[ReleaseItemOut]
    page: PageOut


class ReleaseItemsIn(TypedDict):
    """Items of a release; what they name may be changed by one of them only."""

    items: list[PublishItem | UnpublishItem | FrontItem | CreateNoticeItem | ChangeNoticeItem | DeleteNoticeItem | CreateRedirectItem | ChangeRedirectItem | DeleteRedirectItem]


class ReleaseOut(TypedDict):
    """A release."""

    actor_id: str | None
    actor_name: str
    created_at: str
    failure: ReleaseFailureOut | None
    id: str
    items: int
    name: str
    note: str | None
    published_at: str | None
    rolled_back_at: str | None
    scheduled_at: str | None
    scheduled_by: str | None
    state: ReleaseState
    updated_at: str
    version: int


class ReleaseOutList(TypedDict):
    """A page of `ReleaseOut`."""

    data: list[ReleaseOut]
    page: PageOut


class ReleasePatch(TypedDict):
    """Changes to a release (RFC 7396)."""

    name: NotRequired[Name]
    note: NotRequired[Summary | None]


class ReleasePreviewOut(TypedDict):
    """A preview link of a release, without its token."""

    created_at: str
    expires_at: str
    id: str
    release_id: str
    revoked_at: str | None


class ReleasePreviewOutList(TypedDict):
    """A page of `ReleasePreviewOut`."""

    data: list[ReleasePreviewOut]
    page: PageOut


class ReleaseProblemOut(TypedDict):
    """Why an item could not be published, or what to know before."""

    code: str
    detail: str
    item: str
    op: ReleaseItemOp
    severity: Literal['error', 'warning']


class ReleaseScheduleIn(TypedDict):
    """When a release is published."""

    at: str


ReleaseState: TypeAlias = Literal['open', 'scheduled', 'published', 'failed', 'rolled_back']
"""The state of a release."""


class RenditionOut(TypedDict):
    """A smaller or cut copy of a picture, which is made when it is first requested."""

    height: int
    mime: str
    name: str
    url: str
    width: int


class ReplayIn(TypedDict):
    """The events to replay: from `since` on, before `until`."""

    since: str
    until: str


class ReplayOut(TypedDict):
    """A replay; its deliveries follow."""

    created_at: str
    id: str
    since: str
    until: str


class RepliesOut(TypedDict):
    """The first replies to a comment, with the cursor of those that follow."""

    data: list[ThreadedCommentOut]
    page: PageOut


class ReportData(TypedDict):
    """A report that the person sent."""

    article_id: str
    comment_id: str | None
    created_at: str
    email: str | None
    id: str
    reason: str
    state: str
    text: str | None


class ReportIn(TypedDict):
    """A report on a comment or an article."""

    email: NotRequired[str | None]
    reason: ReportReason
    text: NotRequired[ShortText | None]


class ReportOut(TypedDict):
    """A report, as moderators see it."""

    article: JudgedArticleOut
    comment_id: str | None
    created_at: str
    decided_at: str | None
    email: str | None
    id: str
    reason: ReportReason
    reporter: ReporterOut | None
    state: ReportState
    target: ReportTarget
    text: str | None
    weight: float


class ReportOutList(TypedDict):
    """A page of `ReportOut`."""

    data: list[ReportOut]
    page: PageOut


ReportReason: TypeAlias = Literal['spam', 'abuse', 'illegal', 'misinformation', 'copyright', 'other']
"""The reason for reporting a comment or an article."""


ReportState: TypeAlias = Literal['open', 'upheld', 'dismissed']
"""The state of a report."""


ReportTarget: TypeAlias = Literal['comment', 'article']
"""What a report is about."""


class ReporterOut(TypedDict):
    """The reporter, if known."""

    id: str
    kind: CommentAuthorKind
    name: str | None


class ResolvedOut(TypedDict):
    """What the site should answer at an address."""

    article: NotRequired[SingleArticleOut | None]
    articles: NotRequired[ListedArticleOutList | None]
    author: NotRequired[AuthorOut | None]
    front: NotRequired[FrontOut | None]
    kind: Literal['article', 'page', 'section', 'tag', 'author', 'series', 'front', 'redirect', 'gone']
    location: NotRequired[str | None]
    reason: NotRequired[str | None]
    section: NotRequired[SectionOut | None]
    series: NotRequired[SeriesOut | None]
    status: Literal[200, 301, 302, 410, 451]
    tag: NotRequired[TagDetailOut | None]


class RetractIn(TypedDict):
    """The reason for a retraction."""

    legal: NotRequired[bool]
    reason: Prose


class ReturnIn(TypedDict):
    """The revision to return to its writers, and why."""

    note: str
    revision: NotRequired[int | None]


class RevisionOut(TypedDict):
    """A revision, with its text unless in a list."""

    actor_id: str | None
    actor_name: str
    authors: list[str]
    body: NotRequired[BodyOut | None]
    created_at: str
    dek: str | None
    image_id: str | None
    language: str
    n: int
    person_id: str | None
    published: bool
    restored_from: int | None
    section_id: str | None
    series_id: str | None
    tags: list[str]
    terms: RevisionTermsOut
    title: str
    type: str
    word_count: int


class RevisionOutList(TypedDict):
    """A page of `RevisionOut`."""

    data: list[RevisionOut]
    page: PageOut


class RevisionTermsOut(TypedDict):
    """The terms of a revision, with their present slugs and names."""

    authors: list[NamedTermOut]
    section: NamedTermOut | None
    series: NamedTermOut | None
    tags: list[NamedTermOut]


class RightsIn(TypedDict):
    """Usage rights, syndication, and when the article may be shown."""

    copyright_holder: NotRequired[Title | None]
    embargoed_until: NotRequired[str | None]
    expires_at: NotRequired[str | None]
    syndication: NotRequired[SyndicationLevel | None]
    territory: NotRequired[list[str] | None]
    usage_terms: NotRequired[Summary | None]


class RightsOut(TypedDict):
    """Usage rights, syndication, and when the article may be shown."""

    copyright_holder: str | None
    embargoed_until: str | None
    expires_at: str | None
    syndication: SyndicationLevel
    territory: list[str] | None
    usage_terms: str | None


class RoleIn(TypedDict):
    """A new role."""

    name: Name
    role: str
    scopes: list[RoleScope]


class RoleOut(TypedDict):
    """A role: a named set of scopes."""

    built_in: bool
    name: str
    role: str
    scopes: list[str]


class RolePatch(TypedDict):
    """Changes to a role (RFC 7396): absent members stay."""

    name: NotRequired[Name]
    scopes: NotRequired[list[RoleScope]]


RoleScope: TypeAlias = Literal['content:read', 'content:write', 'content:approve', 'content:publish', 'comments:moderate', 'subscribers:manage', 'webhooks:manage']
"""What people with a role may do."""


class RolesOut(TypedDict):
    """All roles, those that are built in first."""

    data: list[RoleOut]


class RollBackIn(TypedDict):
    """How to roll back."""

    skip_changed: NotRequired[bool]


class RotateIn(TypedDict):
    """Parameters of rotating the secret."""

    overlap_hours: NotRequired[int]


class ScheduleIn(TypedDict):
    """The revision to publish, and when."""

    at: str
    revision: NotRequired[int | None]


class ScheduleOut(TypedDict):
    """The revision that is published, and when."""

    at: str
    latest_revision: int
    revision: int


Scope: TypeAlias = Literal['content:read', 'content:write', 'content:approve', 'content:publish', 'comments:moderate', 'subscribers:manage', 'webhooks:manage', 'syndicate', 'public:read', 'admin']
"""What a key may do."""


class SectionIn(TypedDict):
    """A new section."""

    canonical_url: NotRequired[str | None]
    description: NotRequired[Summary]
    name: Name
    parent: NotRequired[Slug | None]
    position: NotRequired[int]
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug | None]
    syndication: NotRequired[SyndicationLevel]


class SeriesOut(TypedDict):
    """A series."""

    articles: int
    canonical_url: str | None
    created_at: str
    description: str
    id: str
    name: str
    seo: SeoOut | None
    slug: str
    updated_at: str
    url: str


class SectionOut(SeriesOut):
    """A section."""

    breadcrumbs: list[BreadcrumbOut]
    parent: ParentSectionOut | None
    position: int
    syndication: SyndicationLevel


class SectionOutList(TypedDict):
    """A page of `SectionOut`."""

    data: list[SectionOut]
    page: PageOut


class SectionPatch(TypedDict):
    """Changes to a section."""

    canonical_url: NotRequired[str | None]
    description: NotRequired[Summary]
    name: NotRequired[Name]
    parent: NotRequired[Slug | None]
    position: NotRequired[int]
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug]
    syndication: NotRequired[SyndicationLevel]


class SeoIn(TypedDict):
    """What search engines and networks are told of a page."""

    description: NotRequired[Summary | None]
    robots: NotRequired[str | None]
    title: NotRequired[Title | None]


class SeoOut(TypedDict):
    """What search engines and networks are told of a page."""

    description: str | None
    robots: str | None
    title: str | None


class SeriesIn(TypedDict):
    """A new series."""

    canonical_url: NotRequired[str | None]
    description: NotRequired[Summary]
    name: Name
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug | None]


class SeriesOutList(TypedDict):
    """A page of `SeriesOut`."""

    data: list[SeriesOut]
    page: PageOut


class SeriesPatch(TypedDict):
    """Changes to a series."""

    canonical_url: NotRequired[str | None]
    description: NotRequired[Summary]
    name: NotRequired[Name]
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug]


class SessionOut(TypedDict):
    """A session of a person."""

    client: str
    created_at: str
    current: bool
    expires_at: str
    id: str
    method: SignInMethod
    refreshed_at: str


class SessionOutList(TypedDict):
    """A page of `SessionOut`."""

    data: list[SessionOut]
    page: PageOut


ShortText: TypeAlias = 'str'
"""Plain text of 1 to 2,000 characters, some of them visible."""


SignInMethod: TypeAlias = Literal['password', 'passkey', 'oidc']
"""How a person signed in."""


class SignInOut(TypedDict):
    """The ways to sign in."""

    methods: list[SignInMethod]
    providers: list[ProviderOut]


class SignedInPersonOut(TypedDict):
    """The person who signed in."""

    id: str
    name: str


class SingleArticleOut(ListedArticleOut):
    """An article with its text."""

    anchors: NotRequired[dict[str, object] | None]
    comments: NotRequired[CommentList | None]
    dropped: NotRequired[list[DroppedOut] | None]
    head: NotRequired[HeadOut | None]
    jsonld: NotRequired[list[dict[str, object]] | None]
    lock: NotRequired[dict[str, object] | None]
    neighbours: NotRequired[NeighboursOut | None]
    related: NotRequired[list[RelatedOut] | None]


class SingleCommentOut(CommentOut):
    """A single comment."""

    ancestors: NotRequired[list[CommentOut] | None]
    source: NotRequired[str | None]


class SiteDefinition(TypedDict):
    """The profile and the menus of the site as editors saved them, to be changed and sent back."""

    description: str
    home_front: str | None
    icon: str | None
    languages: list[str]
    logo: str | None
    menus: list[MenuDefinition]
    name: str | None
    social: list[SocialAccount]
    tagline: str


class SiteFeed(TypedDict):
    """A feed of the whole site."""

    type: str
    url: str


class SiteIn(TypedDict):
    """The profile and the menus of the site; they replace the former ones as a whole."""

    description: NotRequired[Summary]
    home_front: NotRequired[Slug | None]
    icon: NotRequired[str | None]
    languages: NotRequired[list[str]]
    logo: NotRequired[str | None]
    menus: NotRequired[list[MenuIn]]
    name: NotRequired[Name | None]
    social: NotRequired[list[SocialAccount]]
    tagline: NotRequired[str]


class SiteOut(TypedDict):
    """The publication's site: the names, addresses, rules and menus that a front end needs first."""

    addresses: AddressTemplates
    api_url: str
    description: str
    discussion: DiscussionRules
    feeds: list[SiteFeed]
    home_front: HomeFront | None
    icon: ImageOut | None
    languages: list[str]
    logo: ImageOut | None
    menus: list[MenuOut]
    name: str
    social: list[SocialAccount]
    tagline: str
    time_zone: str
    updated_at: str | None
    url: str


SiteStreamEvent: TypeAlias = 'AnchorsResolvedMessage | ArticleCorrectedMessage | ArticlePublishedMessage | ArticleReportedMessage | ArticleRetractedMessage | ArticleUnpublishedMessage | ArticleUpdatedMessage | CommentAppealedMessage | CommentClaimedMessage | CommentDecidedMessage | CommentHeldMessage | CommentMessage | CommentReportedMessage | CorrectionWithdrawnMessage | DiscussionMessage | SubjectMessage | TermChangedMessage | TermDeletedMessage'
"""The `data` of an event of the publication's stream, which is named by its `type`."""


Slug: TypeAlias = 'str'
"""Words of letters and digits, joined by hyphens: a slug, or an id where one is taken."""


class SocialAccount(TypedDict):
    """An account of the publication on a social network."""

    name: Name
    url: str


class SourceIn(TypedDict):
    """Where an article was first published."""

    name: Name
    url: NotRequired[str | None]


class SourceOut(TypedDict):
    """Where an article was first published."""

    name: str
    url: str | None


class StaffAccountData(TypedDict):
    """An account with a sign-in provider."""

    created_at: str
    issuer: str
    last_used_at: str | None
    subject: str


class StaffActionData(TypedDict):
    """An entry of the audit log."""

    action: str
    at: str
    subject_id: str | None
    subject_kind: str


class StaffApprovalData(TypedDict):
    """A text that the person submitted, approved or returned."""

    action: str
    article_id: str
    at: str
    n: int
    note: str | None


class StaffData(TypedDict):
    """What is stored about a person of the staff, without secrets."""

    accepted_at: str | None
    accounts: list[StaffAccountData]
    actions: list[StaffActionData]
    approvals: list[StaffApprovalData]
    created_at: str
    deleted_at: str | None
    email: str | None
    grants: list[PersonGrantOut]
    id: str
    invitations: list[StaffInvitationData]
    keys: list[StaffKeyData]
    mails: bool
    methods: list[str]
    name: str
    notes: list[StaffNoteData]
    passkeys: list[StaffPasskeyData]
    revisions: list[StaffRevisionData]
    sessions: list[StaffSessionData]
    signed_in_at: str | None
    state: str
    suspended_at: str | None
    tasks: list[StaffTaskData]


class StaffInvitationData(TypedDict):
    """An invitation."""

    created_at: str
    expires_at: str
    used_at: str | None


class StaffKeyData(TypedDict):
    """An API key of the person."""

    created_at: str
    expires_at: str | None
    hint: str
    id: str
    last_used_at: str | None
    name: str
    revoked_at: str | None


class StaffNoteData(TypedDict):
    """A note that the person wrote, or that is assigned to them."""

    article_id: str
    created_at: str
    done_at: str | None
    id: str
    text: str


class StaffPasskeyData(TypedDict):
    """A passkey, without its keys."""

    created_at: str
    id: str
    last_used_at: str | None
    name: str


class StaffRevisionData(TypedDict):
    """A revision of an article that the person saved."""

    article_id: str
    created_at: str
    n: int


class StaffSessionData(TypedDict):
    """A session of a person of the staff."""

    client: str
    created_at: str
    expires_at: str
    id: str
    method: str
    refreshed_at: str


class StaffTaskData(TypedDict):
    """A task that the person made, or that is assigned to them."""

    article_id: str | None
    created_at: str
    done_at: str | None
    id: str
    title: str


class StatementOut(TypedDict):
    """Why a comment was restricted (Regulation (EU) 2022/2065, Art. 17)."""

    automated: bool
    basis: str | None
    ground: DecisionGround | None
    redress: list[Literal['appeal', 'court']]
    reported: bool
    restriction: Literal['hidden', 'removed', 'redacted']
    rules: list[str]
    texts: dict[str, str]


class SubjectMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData
    timestamp: str
    type: Literal['article.purged', 'article.reacted', 'notice.changed', 'notice.deleted', 'media.changed', 'media.deleted', 'site.changed']


class SubmitIn(TypedDict):
    """The revision to submit for approval."""

    note: NotRequired[str | None]
    revision: NotRequired[int | None]


class SubscriberOut(TypedDict):
    """An e-mail address with subscriptions."""

    confirmed_at: str | None
    created_at: str
    email: str
    id: str
    subscriptions: int


class SubscriberOutList(TypedDict):
    """A page of `SubscriberOut`."""

    data: list[SubscriberOut]
    page: PageOut


SubscriptionFrequency: TypeAlias = Literal['immediate', 'daily', 'weekly']
"""How often a subscriber gets mail."""


class SubscriptionIn(TypedDict):
    """A requested subscription."""

    confirm_url: NotRequired[str | None]
    email: NotRequired[str | None]
    frequency: NotRequired[SubscriptionFrequency]
    kind: SubscriptionKind
    target: NotRequired[TargetIn | None]


SubscriptionKind: TypeAlias = Literal['comments.all', 'comments.replies_to_me', 'comments.thread', 'articles.new', 'article.updated']
"""What a subscription is about."""


class SubscriptionOut(TypedDict):
    """A subscription."""

    channel: Literal['mail']
    confirmed_at: str | None
    created_at: str
    frequency: SubscriptionFrequency
    id: str
    kind: SubscriptionKind
    target: TargetOut


class SubscriptionOutList(TypedDict):
    """A page of `SubscriptionOut`."""

    data: list[SubscriptionOut]
    page: PageOut


class SubscriptionPatch(TypedDict):
    """Changes to a subscription (RFC 7396): absent members stay."""

    frequency: NotRequired[SubscriptionFrequency]


Summary: TypeAlias = 'str'
"""Plain text of up to 2,000 characters."""


class SuppressionData(TypedDict):
    """The suppression of an address, which gets no mail."""

    created_at: str
    reason: str


class SuppressionIn(TypedDict):
    """An address to suppress."""

    email: str
    reason: NotRequired[SuppressionReason]


class SuppressionOut(TypedDict):
    """A suppressed address, which is not shown."""

    created_at: str
    created_by: str | None
    id: str
    reason: SuppressionReason


class SuppressionOutList(TypedDict):
    """A page of `SuppressionOut`."""

    data: list[SuppressionOut]
    page: PageOut


SuppressionReason: TypeAlias = Literal['unsubscribe', 'bounce', 'complaint']
"""Why an address gets no mail."""


class SyncIn(TypedDict):
    """Operations that were made offline, at most 50."""

    operations: list[PostOp | EditOp | DeleteOp]


class SyncOut(TypedDict):
    """One result for each operation, in the same order."""

    data: list[SyncedOut]
    guest_token: str | None


class SyncedOut(TypedDict):
    """The result of one operation."""

    code: str | None
    detail: str | None
    edit_token: str | None
    id: str
    op: Literal['post', 'edit', 'delete']
    retry_after: int | None
    state: CommentState | None
    status: int


SyndicationLevel: TypeAlias = Literal['none', 'headline', 'excerpt', 'full']
"""How much of an article partners get."""


class TableBlock(TypedDict):
    """A rectangular table; `text` has a line per row, with tabs between cells; the marks are in `rows`."""

    anchor: NotRequired[BlockAnchor]
    caption: Inline | None
    dir: NotRequired[Direction]
    header: bool
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    rows: list[list[TableCell]]
    text: BlockText
    type: Literal['table']


class TableCell(TypedDict):
    """A table cell; cells that another one spans are empty."""

    align: NotRequired[Literal['left', 'center', 'right']]
    blocks: NotRequired[list[Block]]
    colspan: NotRequired[int]
    header: NotRequired[Literal[True]]
    marks: Marks
    rowspan: NotRequired[int]
    scope: NotRequired[Literal['row', 'col', 'rowgroup', 'colgroup']]
    text: BlockText


class TagDetailOut(TypedDict):
    """A tag with all its members."""

    articles: int
    canonical_url: str | None
    created_at: str
    description: str
    id: str
    name: str
    seo: SeoOut | None
    slug: str
    updated_at: str
    url: str


class TagDetailOutList(TypedDict):
    """A page of `TagDetailOut`."""

    data: list[TagDetailOut]
    page: PageOut


class TagIn(TypedDict):
    """A new tag."""

    canonical_url: NotRequired[str | None]
    description: NotRequired[Summary]
    name: Name
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug | None]


class TagOut(TypedDict):
    """A tag as an article names it."""

    name: str
    slug: str
    url: str


class TagPatch(TypedDict):
    """Changes to a tag."""

    canonical_url: NotRequired[str | None]
    description: NotRequired[Summary]
    name: NotRequired[Name]
    seo: NotRequired[SeoIn | None]
    slug: NotRequired[Slug]


class TargetIn(TypedDict):
    """The target of a subscription, by id or slug."""

    id: NotRequired[str | None]
    slug: NotRequired[Slug | None]
    type: Literal['section', 'series', 'author', 'tag', 'article', 'comment']


class TargetOut(TypedDict):
    """The target of a subscription."""

    id: str | None
    name: str | None
    slug: str | None
    type: Literal['site', 'section', 'series', 'author', 'tag', 'article', 'comment']


class TaskArticleOut(TypedDict):
    """The article of a task or lock."""

    id: str
    slug: str
    title: str


class TaskChangedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['task.changed']


class TaskDeletedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['task.deleted']


class TaskIn(TypedDict):
    """A new task."""

    article: NotRequired[Slug | None]
    assignee: NotRequired[str | None]
    due_at: NotRequired[str | None]
    title: Title


class TaskMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['task.created', 'task.due']


class TaskOut(TypedDict):
    """A task."""

    article: TaskArticleOut | None
    assignee: str | None
    by: str
    created_at: str
    done: bool
    done_at: str | None
    done_by: str | None
    due_at: str | None
    id: str
    title: str
    version: int


class TaskOutList(TypedDict):
    """A page of `TaskOut`."""

    data: list[TaskOut]
    page: PageOut


class TaskPatch(TypedDict):
    """Changes to a task (RFC 7396)."""

    assignee: NotRequired[str | None]
    done: NotRequired[bool]
    due_at: NotRequired[str | None]
    title: NotRequired[Title]


class TermChangedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['section.changed', 'tag.changed', 'author.changed', 'series.changed']


class TermDeletedMessage(TypedDict):
    """A webhook message or stream event."""

    data: EventData | dict[str, object]
    timestamp: str
    type: Literal['section.deleted', 'tag.deleted', 'author.deleted', 'series.deleted']


class TermOut(TypedDict):
    """A section, series or author as an article names it."""

    id: str
    name: str
    slug: str
    url: str


TermSort: TypeAlias = Literal['name', '-articles']
"""The order of tags, authors and series."""


class ThreadedCommentOut(CommentOut):
    """A comment with its first replies."""

    first_replies: RepliesOut | None


Title: TypeAlias = 'str'
"""A headline on one line, 1 to 300 characters, some of them visible."""


class TokensOut(TypedDict):
    """The tokens of a session."""

    access_token: str
    device_token: str
    expires_in: int
    person: SignedInPersonOut
    refresh_token: str
    token_type: Literal['Bearer']


class TotpIn(TypedDict):
    """The first one-time code."""

    code: str


class TotpOut(TypedDict):
    """The secret of one-time codes, which are asked for once the first one was sent."""

    secret: str
    uri: str


class TransparencyOut(TypedDict):
    """What was reported, decided and appealed in a period."""

    actions: list[ActionsOut]
    appeal_seconds: float | None
    appeals: dict[str, int]
    automated_share: float | None
    bans: BansOut
    notice_seconds: float | None
    notices: list[NoticesOut]
    reasons: dict[str, int]
    since: str
    until: str


class TrialOut(TypedDict):
    """The outcome that a comment would have, in response to `dry_run=true`."""

    reasons: list[CheckReasonOut]
    state: CommentState


class UnpublishItem(TypedDict):
    """Unpublishes an article."""

    article: Slug
    op: Literal['unpublish']


UnsubscribeAddressForm = TypedDict(
    "UnsubscribeAddressForm",
    {
        "List-Unsubscribe": "Literal['One-Click']",
    },
)


class UnsubscribeOut(TypedDict):
    """The subscriptions that a POST to the same URL ends."""

    everything: bool
    subscriptions: list[SubscriptionOut]


class UnsubscribedOut(TypedDict):
    """The subscriptions have ended, now or before."""

    unsubscribed: bool


class UploadIn(TypedDict):
    """An upload to begin, with the description of the picture."""

    alt: NotRequired[Summary]
    bytes: int
    caption: NotRequired[Summary]
    credit: NotRequired[str]
    focal_point: NotRequired[FocalPoint | None]


class UploadOut(TypedDict):
    """Where to send the file of an upload."""

    expires_at: str
    headers: dict[str, str]
    id: str
    method: Literal['PUT']
    url: str


class VideoBlock(TypedDict):
    """A video file."""

    anchor: NotRequired[BlockAnchor]
    dir: NotRequired[Direction]
    height: int | None
    id: BlockId
    lang: NotRequired[BlockLanguage]
    marks: Marks
    mime: str | None
    poster: str | None
    sources: list[MediaSource]
    src: str
    text: BlockText
    title: str | None
    tracks: list[MediaTrack]
    type: Literal['video']
    width: int | None


class VoteData(TypedDict):
    """A vote."""

    address_hash: str | None
    at: str
    comment_id: str
    counted: bool
    value: int


class VoteIn(TypedDict):
    """A vote."""

    value: int


class VoteOut(TypedDict):
    """The caller's vote, and the comment's counted votes."""

    value: int
    votes: VotesOut


class VotesOut(TypedDict):
    """Votes on a comment."""

    down: int
    up: int


WebhookEvents: TypeAlias = Literal['article.published', 'article.updated', 'article.corrected', 'article.correction_changed', 'article.correction_withdrawn', 'article.unpublished', 'article.retracted', 'article.purged', 'article.reacted', 'comment.published', 'comment.edited', 'comment.removed', 'comment.voted', 'comment.pending', 'comment.held', 'comment.reported', 'comment.appealed', 'comment.claimed', 'comment.decided', 'article.reported', 'discussion.changed', 'section.changed', 'section.deleted', 'tag.changed', 'tag.deleted', 'author.changed', 'author.deleted', 'series.changed', 'series.deleted', 'notice.changed', 'notice.deleted', 'media.changed', 'media.deleted', 'site.changed', 'redirects.changed', 'release.published', 'release.rolled_back', 'article.submitted', 'article.approved', 'article.returned', 'article.held', 'note.created', 'note.changed', 'note.deleted', 'task.created', 'task.changed', 'task.due', 'task.deleted', 'lock.taken', 'lock.released', 'release.failed', '*', 'article.*', 'comment.*', 'discussion.*', 'section.*', 'tag.*', 'author.*', 'series.*', 'notice.*', 'media.*', 'site.*', 'redirects.*', 'release.*', 'note.*', 'task.*', 'lock.*']
"""A type of event, or all types of a kind."""


class WebhookIn(TypedDict):
    """A new webhook."""

    description: NotRequired[Summary]
    events: list[WebhookEvents]
    url: str


class WebhookOutList(TypedDict):
    """A page of `WebhookOut`."""

    data: list[WebhookOut]
    page: PageOut


class WebhookPatch(TypedDict):
    """Changes to a webhook (RFC 7396)."""

    description: NotRequired[Summary]
    enabled: NotRequired[bool]
    events: NotRequired[list[WebhookEvents]]
    url: NotRequired[str]


class WhoAmI(TypedDict):
    """The caller, as the server identified it."""

    grants: list[GrantOut]
    id: str | None
    kind: Literal['anonymous', 'key', 'person', 'guest', 'reader', 'edit', 'subscriber']
    name: str | None
    needs_second_factor: bool
    person: str | None
    scopes: list[str]
    sections: list[str] | None


class GetArticleQuery(TypedDict, total=False):
    """Query of `getArticle`."""

    formats: str | list[str]
    release: str
    block_ids: bool
    include: str | list[str]
    revision: str
    preview: str
    as_of: str


class GetCommentQuery(TypedDict, total=False):
    """Query of `getComment`."""

    release: str
    include: str | list[str]


class GetNeighboursQuery(TypedDict, total=False):
    """Query of `getNeighbours`."""

    formats: str | list[str]
    release: str
    within: Literal['site', 'section', 'series']


class ListAnchorsQuery(TypedDict, total=False):
    """Query of `listAnchors`."""

    limit: int
    cursor: str
    count: CountMode
    release: str
    kind: AnchorKind


class ListArticlesQuery(TypedDict, total=False):
    """Query of `listArticles`."""

    formats: str | list[str]
    limit: int
    cursor: str
    count: CountMode
    release: str
    section: str | list[str]
    descendants: bool
    tag: str | list[str]
    author: str | list[str]
    series: str | list[str]
    type: str | list[str]
    language: str | list[str]
    featured: bool
    ids: str | list[str]
    exclude: str | list[str]
    published_after: str
    published_before: str
    updated_after: str
    q: str
    state: str | list[str]
    changed: bool
    editor: str
    approval: ApprovalState
    sort: Literal['-published_at', 'published_at', '-updated_at', 'updated_at', '-title', 'title', '-edited_at', 'edited_at', '-created_at', 'created_at', '-discussed_1d', '-discussed_7d', '-discussed_30d', '-reacted_1d', '-reacted_7d', '-reacted_30d']
    as_of: str


class ListChangesQuery(TypedDict, total=False):
    """Query of `listChanges`."""

    cursor: str
    types: str | list[str]
    limit: int


class ListCommentsQuery(TypedDict, total=False):
    """Query of `listComments`."""

    limit: int
    cursor: str
    count: CountMode
    release: str
    view: Literal['threads', 'all', 'inline']
    sort: CommentSort
    replies: int
    anchor: str


class ListOwnCommentsQuery(TypedDict, total=False):
    """Query of `listOwnComments`."""

    limit: int
    cursor: str
    count: CountMode


class ListOwnRepliesQuery(TypedDict, total=False):
    """Query of `listOwnReplies`."""

    limit: int
    cursor: str
    count: CountMode
    since: str


class ListRelatedArticlesQuery(TypedDict, total=False):
    """Query of `listRelatedArticles`."""

    formats: str | list[str]
    release: str
    limit: int


class ListRepliesQuery(TypedDict, total=False):
    """Query of `listReplies`."""

    limit: int
    cursor: str
    count: CountMode
    release: str
    sort: CommentSort
    replies: int


class ListTagsQuery(TypedDict, total=False):
    """Query of `listTags`."""

    limit: int
    cursor: str
    count: CountMode
    release: str
    sort: TermSort


class ResolvePathQuery(TypedDict, total=False):
    """Query of `resolvePath`."""

    formats: str | list[str]
    release: str
    include: str | list[str]


class SearchArticlesQuery(TypedDict, total=False):
    """Query of `searchArticles`."""

    formats: str | list[str]
    limit: int
    cursor: str
    count: CountMode
    release: str
    section: str | list[str]
    descendants: bool
    tag: str | list[str]
    author: str | list[str]
    series: str | list[str]
    type: str | list[str]
    language: str | list[str]
    featured: bool
    ids: str | list[str]
    exclude: str | list[str]
    published_after: str
    published_before: str
    updated_after: str
    q: str
    sort: Literal['relevance', '-published_at']
