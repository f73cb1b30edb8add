"""The moderation pipeline: stages that each give a finding on a comment, and together a verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.moderation import (
    SHADOW_STAGE,
    Attempt,
    Banned,
    CheckerVerdict,
    CompiledPhrase,
    Draft,
    DuplicateComment,
    ModeratedState,
    Reason,
    Submission,
    TextAnalysis,
    Verdict,
)
from app.comments.tables import Comment
from app.core.clock import now
from app.core.problems import TooManyRequests
from app.core.settings import Settings
from app.db.columns import is_among, table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Statement, Store
from app.identity.participants import ParticipantRow
from app.moderation.checker import UNAVAILABLE, Checker
from app.moderation.events import CommentRef, emit_decided, emit_held, emit_pending
from app.moderation.learning import TEXT_COUNT_ROW, TOKEN, spam_probability
from app.moderation.log import log_decision
from app.moderation.phrases import compile_phrases, select_generation
from app.moderation.tables import Ban
from app.moderation.text_analysis import ClassCounts, Phrases, analyze_text, is_trained
from app.web.offload import Offload

MINUTE_SECONDS, DAY_SECONDS = 60, 86_400  # seconds
DAILY_RATE_FACTOR = 100  # the daily limit as a multiple of the limit per minute
MIN_DISTINCTIVE_LENGTH = 20  # characters; shorter texts are often written by several people
MAX_RISK, REJECTED_RISK = 1000, 900
_RISK_BY_STAGE = {"external": 800, "phrases": 600, "links": 400, "new_author": 200, "mode": 100}
MAX_BAN_VALUES = 11  # under which one author may be banned
MAX_COMPARED_COMMENTS = 200  # comments of a day with the same text, among which the author's own are counted
_C, _BAN = table_of(Comment), table_of(Ban)
_AT = _C.c.created_at


class Finding(NamedTuple):
    """The finding of a stage; `note` is only logged."""

    state: Literal["note", "pending", "rejected", "spam"]
    detail: str = ""


class AuthorHistory(NamedTuple):
    """The author's recent comments and former uses of the text, read in one row."""

    banned: bool = False
    author_minute: datetime | None = None  # creation time of the comment that reaches the limit; null below it
    author_day: datetime | None = None
    address_minute: datetime | None = None
    address_day: datetime | None = None
    repeats_here: int = 0  # the same text under the same comment, or at the top level of the same article
    articles: int = 0  # other articles with the same text
    phrases: str | None = None  # generation of the phrases
    spam: int | None = None  # texts that the classifier has learned
    ham: int | None = None
    parents: int = 0  # other places of the same article with the same text
    shadowed: bool = False  # under a shadow ban


@dataclass(frozen=True)
class ModerationContext:
    """Everything that the stages need to evaluate a submission."""

    submission: Submission
    history: AuthorHistory
    settings: Settings
    phrases: Phrases
    spam_probability: Callable[[], float]  # reads the database; 0.5 if unknown
    checker_verdict: CheckerVerdict | None  # None without a checker
    matches: tuple[CompiledPhrase, ...] | None = None  # phrases in the text and the links; None if not matched yet


def normalize_email(email: str) -> str:
    """Return an e-mail address in lower case and without its `+` suffix, which is how bans compare addresses."""
    local, _, domain = email.strip().lower().rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def hash_email(email: str) -> str:
    """Return the ban value of an e-mail address. It is a plain hash: anybody who knows the address can recompute it."""
    return f"email:{sha256(normalize_email(email).encode()).hexdigest()}"


def _list_domains(email: str) -> list[str]:
    """List the domain of an address and its parent domains, without the top-level domain."""
    labels = email.strip().lower().rpartition("@")[2].split(".")[-4:]
    return [".".join(labels[i:]) for i in range(len(labels) - 1)]


def ban_values(participant: ParticipantRow | None, addresses: tuple[str, ...], email: str | None = None) -> list[str]:
    """List the values under which somebody may be banned, at most `MAX_BAN_VALUES`."""
    values = [f"address:{address}" for address in addresses[:2]]
    if participant is not None:
        values.insert(0, f"identity:{participant['id']}")
    emails = {email, participant["email"] if participant else None}
    for one_email in sorted(filter(None, emails)):
        values.append(hash_email(one_email))
        values += [f"email_domain:{domain}" for domain in _list_domains(one_email)]
    return list(dict.fromkeys(values))[:MAX_BAN_VALUES]


def _select_is_banned(dialect: str, *, shadow: bool = False) -> ColumnElement[bool]:
    """Build the SQL condition that one of the values in the list `banned` is banned at the time `at`."""
    moment = sa.bindparam("at", type_=_BAN.c.until.type)
    return sa.exists().where(
        is_among(dialect, _BAN.c.value, "banned"),
        _BAN.c.until.is_(None) | (_BAN.c.until > moment),
        _BAN.c.shadow if shadow else ~_BAN.c.shadow,
    )


_IS_BANNED: Prepared[JsonObject] = Prepared(lambda dialect: sa.select(_select_is_banned(dialect)))


def has_ban(
    session: Session, participant: ParticipantRow | None, addresses: tuple[str, ...], email: str | None = None
) -> bool:
    """Tell whether a participant is banned, or the hashes of their network address or their e-mail address are."""
    values = ban_values(participant, addresses, email)
    return bool(values) and bool(_IS_BANNED.one(session, {"banned": values, "at": now()})[0])


def require_not_banned(
    session: Session, participant: ParticipantRow | None, addresses: tuple[str, ...], email: str | None = None
) -> None:
    """Raise 403 `banned` for somebody who is banned."""
    if has_ban(session, participant, addresses, email):
        raise Banned


def _parameter(name: str, column: Column) -> Column:
    return sa.bindparam(name, type_=column.type)


_IS_BY_AUTHOR = _C.c.participant_id == _parameter("author", _C.c.participant_id)
_IS_FROM_ADDRESS = _C.c.address_hash == _parameter("address", _C.c.address_hash)


def _select_nth_newest(who: ColumnElement[bool], since: str, n: str) -> sa.ScalarSelect[datetime]:
    """Build the subquery of the creation time of the n-th newest comment since a time; null if there are fewer."""
    newest = sa.select(_AT).where(who, _parameter(since, _AT) < _AT).order_by(_AT.desc())
    return newest.limit(1).offset(sa.bindparam(n, type_=sa.Integer())).scalar_subquery()


def _select_history(dialect: str, with_rates: bool) -> Statement:
    # Search by text, not by author: an address may be shared by very many people, and an author may write all day.
    names = "article_id under_id state participant_id address_hash id"
    alike = sa.select(*(_C.c[name] for name in names.split()))
    alike = alike.where(_C.c.fingerprint == _parameter("fingerprint", _C.c.fingerprint), _parameter("day", _AT) < _AT)
    newest = alike.order_by(_AT.desc()).limit(MAX_COMPARED_COMMENTS).subquery()
    is_theirs = newest.c.participant_id == _parameter("author", _C.c.participant_id)
    is_theirs |= newest.c.address_hash == _parameter("near", _C.c.address_hash)
    is_here = newest.c.article_id == _parameter("article", _C.c.article_id)
    is_visible_here = is_here & (newest.c.state != "removed")
    is_same_place = newest.c.under_id == _parameter("under", _C.c.under_id)
    same_place_count = sa.func.count(sa.case((is_visible_here & is_same_place, 1)))
    place_count = sa.func.count(sa.case((is_visible_here & ~is_same_place, newest.c.under_id)).distinct())
    article_count = sa.func.count(sa.case((~is_here, newest.c.article_id)).distinct())
    learned = sa.select(TOKEN.c.spam).where(TOKEN.c.token == TEXT_COUNT_ROW)
    windows: list[Column] = [
        _select_nth_newest(who, since, f"{name}_{since}")
        for name, who in (("author", _IS_BY_AUTHOR), ("address", _IS_FROM_ADDRESS))
        for since in ("minute", "day")
    ]
    is_banned: Column = _select_is_banned(dialect)
    is_shadowed: Column = _select_is_banned(dialect, shadow=True)
    return sa.select(
        is_banned,
        *(windows if with_rates else [sa.null()] * len(windows)),
        same_place_count,
        article_count,
        select_generation(),
        learned.scalar_subquery(),
        learned.with_only_columns(TOKEN.c.ham).scalar_subquery(),
        place_count,
        is_shadowed,
    ).where(is_theirs, newest.c.id != _parameter("comment", _C.c.id))


_SELECT_HISTORY: dict[bool, Prepared[JsonObject]] = {
    counted: Prepared(partial(_select_history, with_rates=counted)) for counted in (True, False)
}


def read_history(
    store: Store,
    attempt: Attempt,
    rates: tuple[int, int] | None = None,
    *,
    ahead: int = 0,
) -> AuthorHistory:
    """Read an author's history and the repetitions of a text, in one statement.

    `rates` are the comments per minute, without this one, allowed for an author and for an address; None skips the
    limits. `ahead` is the number of comments of the same batch that will be posted before this one.
    """
    address, day = attempt.addresses[0] if attempt.addresses else None, attempt.at - timedelta(seconds=DAY_SECONDS)
    person = attempt.participant
    parameters: JsonObject = {
        "author": person["id"] if person else None,
        "near": address if len(attempt.text) >= MIN_DISTINCTIVE_LENGTH else None,
        "comment": attempt.comment_id,
        "article": attempt.article_id,
        "under": attempt.under_id,
        "fingerprint": attempt.fingerprint,
        "day": day,
        "at": now(),
        "banned": ban_values(person, attempt.addresses, attempt.email),
    }
    if rates is not None:
        parameters |= {"address": address, "minute": attempt.at - timedelta(seconds=MINUTE_SECONDS)}
        for name, rate in zip(("author", "address"), rates, strict=True):
            limits = {"minute": rate, "day": rate * DAILY_RATE_FACTOR}
            parameters |= {f"{name}_{window}": max(0, many - 1 - ahead) for window, many in limits.items()}
    return AuthorHistory._make(_SELECT_HISTORY[rates is not None].one(store, parameters))


def attempt_of(submission: Submission) -> Attempt:
    """Return the attempt that a submission makes, as `read_history` takes it."""
    return Attempt(
        submission.participant,
        submission.addresses,
        submission.email,
        submission.comment_id,
        submission.article_id,
        submission.under_id or submission.article_id,
        submission.at,
        submission.body.text,
        submission.body.fingerprint,
    )


SPAM_PROBABILITY, DOUBTFUL_PROBABILITY = 0.99, 0.9  # probabilities of spam
MAX_REPEAT_ARTICLES = 3
MAX_REPEAT_PLACES = 3  # of one article with the same text
_SEVERITY: dict[str, int] = {"published": 0, "pending": 1, "rejected": 2, "spam": 3}
_AdverseState = Literal["pending", "rejected", "spam"]
_STATE_BY_ACTION: dict[str, _AdverseState] = {
    "hold": "pending",
    "reject": "rejected",
    "spam": "spam",
}  # actions of phrases and verdicts of the checker


def check_ban(context: ModerationContext) -> Finding | None:
    """Raise 403 for a banned author."""
    if context.history.banned:
        raise Banned
    return None


def _seconds_to_wait(moment: datetime, window: int) -> int:
    """Return the seconds until a comment of that moment leaves the window."""
    return max(1, min(window, round((moment - now()).total_seconds()) + window))


def check_flood(context: ModerationContext) -> Finding | None:
    """Raise 429 with `Retry-After` for too many comments of one author or from one address."""
    _refuse_flood(context.history)
    return None


def _refuse_flood(history: AuthorHistory) -> None:
    windows = (
        (history.author_minute, MINUTE_SECONDS),
        (history.address_minute, MINUTE_SECONDS),
        (history.author_day, DAY_SECONDS),
        (history.address_day, DAY_SECONDS),
    )
    waits = [_seconds_to_wait(moment, window) for moment, window in windows if moment is not None]
    if waits:
        raise TooManyRequests(
            "Too many comments. Try again after the seconds in Retry-After.", headers={"Retry-After": str(max(waits))}
        )


def check_repeat(context: ModerationContext) -> Finding | None:
    """Refuse repeated texts: 409 in the same place or in many places of an article, spam under many articles.

    Short texts such as "Yes!" may be repeated in other places.
    """
    _refuse_repeat(context.history, context.submission.body.text)
    if (
        context.history.articles >= MAX_REPEAT_ARTICLES - 1
        and len(context.submission.body.text) >= MIN_DISTINCTIVE_LENGTH
    ):
        return Finding("spam", f"under {context.history.articles + 1} articles")
    return None


def _refuse_repeat(history: AuthorHistory, text: str) -> None:
    if history.repeats_here or (history.parents >= MAX_REPEAT_PLACES and len(text) >= MIN_DISTINCTIVE_LENGTH):
        raise DuplicateComment


def check_shadow_ban(context: ModerationContext) -> Finding | None:
    """Hide the comments of an author under a shadow ban from all others."""
    return Finding("rejected") if context.history.shadowed else None


def check_phrases(context: ModerationContext) -> Finding | None:
    """Apply the strictest watched phrase in the text, the author's name and the links."""
    if context.matches is None:
        matches = context.phrases.find(
            context.submission.body.text, context.submission.name, context.submission.body.links
        )
    else:
        matches = [*context.matches, *context.phrases.find("", context.submission.name, ())]
    if not matches:
        return None
    first = max(matches, key=lambda phrase: _SEVERITY[_STATE_BY_ACTION[phrase.action]])
    return Finding(_STATE_BY_ACTION[first.action], first.id)


def check_links(context: ModerationContext) -> Finding | None:
    """Hold comments with more than `max_links` links."""
    count = len(context.submission.body.links)
    return Finding("pending", f"{count} links") if count > context.settings.max_links else None


def check_new_author(context: ModerationContext) -> Finding | None:
    """Hold comments of authors with too few approved ones; guests without a confirmed e-mail address always count
    as new.
    """
    needed, author = context.settings.moderate_new_authors, context.submission.participant
    if not needed:
        return None
    is_proven = author["kind"] != "guest" or author["confirmed_at"] is not None
    approved = author["approved"] if is_proven else 0
    return Finding("pending", f"{approved} of {needed} approved") if approved < needed else None


def check_spam_probability(context: ModerationContext) -> Finding | None:
    """Hold or refuse what the spam classifier considers likely spam."""
    probability = context.spam_probability()
    if probability < DOUBTFUL_PROBABILITY:
        return None
    return Finding("spam" if probability >= SPAM_PROBABILITY else "pending", f"{probability:.3f}")


def apply_checker_verdict(context: ModerationContext) -> Finding | None:
    """Apply the external checker's verdict; if it is unavailable, hold or note that as configured."""
    if context.checker_verdict is None or context.checker_verdict.verdict == "publish":
        return None
    if context.checker_verdict.verdict == "unavailable":
        is_held = context.settings.checker_on_unavailable == "pending"
        return Finding("pending" if is_held else "note", "unavailable")
    return Finding(_STATE_BY_ACTION[context.checker_verdict.verdict], context.checker_verdict.reason)


def check_moderation_mode(context: ModerationContext) -> Finding | None:
    """Hold comments on pre-moderated articles, and those that must wait for another reason."""
    if context.submission.moderation == "pre":
        return Finding("pending", "pre")
    return Finding("pending", "waits") if context.submission.must_wait else None


STAGES: tuple[tuple[str, Callable[[ModerationContext], Finding | None]], ...] = (
    ("banned", check_ban),
    ("flood", check_flood),
    ("repeat", check_repeat),
    (SHADOW_STAGE, check_shadow_ban),
    ("phrases", check_phrases),
    ("links", check_links),
    ("new_author", check_new_author),
    ("local_bayes", check_spam_probability),
    ("external", apply_checker_verdict),
    ("mode", check_moderation_mode),
)
"""The stages in their order, by the names that reasons, the moderation log and events carry."""


def run_stages(context: ModerationContext) -> Verdict:
    """Run the stages and return the strictest verdict; a refusal ends the run. Staff are only checked for bans."""
    state: ModeratedState = "published"
    reasons: list[Reason] = []
    for name, stage in STAGES if context.submission.kind != "staff" else STAGES[:1]:
        finding = stage(context)
        if finding is None:
            continue
        reasons.append(Reason(name, finding.detail))
        if finding.state != "note" and _SEVERITY[finding.state] > _SEVERITY[state]:
            state = finding.state
        if state in ("rejected", "spam"):
            break
    return Verdict(state, tuple(reasons))


def _risk_of(reason: Reason) -> int:
    """Return how doubtful a comment is that a stage has held; the filter's probability of spam is its detail."""
    if reason.stage == "local_bayes":
        return round(float(reason.detail) * MAX_RISK)
    return _RISK_BY_STAGE.get(reason.stage, 0)


def assess_risk(verdict: Verdict) -> int:
    """Return how doubtful a comment is by its verdict, 0 to `MAX_RISK`."""
    if verdict.state == "pending":
        return max(map(_risk_of, verdict.reasons), default=0)
    return {"published": 0, "rejected": REJECTED_RISK, "spam": MAX_RISK}[verdict.state]


class ModerationPipeline:
    """The moderation pipeline of one process; implements `app.comments.moderation.ModerationPipeline`."""

    def __init__(self, settings: Settings, checker: Checker | None = None) -> None:
        self.settings, self.checker = settings, checker or Checker(settings)
        self._phrases: tuple[str | None, Phrases] = (None, Phrases())
        self._has_learned = False  # whether the classifier was trained at the last comment

    @property
    def has_checker(self) -> bool:
        """Whether an external checker is configured."""
        return bool(self.checker.url)

    def check_attempt(self, store: Store, attempt: Attempt, ahead: int = 0) -> None:
        """Refuse bans, floods and repetitions before the text is parsed or sent anywhere.

        What passes is evaluated again in the transaction that posts it.
        """
        rates = None if attempt.is_staff or attempt.is_edit else self._rates()
        history = read_history(store, attempt, rates, ahead=ahead)
        if history.banned:
            raise Banned
        if rates is not None and ahead >= min(rates):
            raise TooManyRequests(
                "Too many comments. Try again after the seconds in Retry-After.",
                headers={"Retry-After": str(MINUTE_SECONDS)},
            )
        _refuse_flood(history)
        if attempt.fingerprint and not attempt.is_staff:
            _refuse_repeat(history, attempt.text)

    def _rates(self) -> tuple[int, int] | None:
        settings = self.settings
        return (settings.flood_author, settings.flood_address) if settings.rate_limits != "off" else None

    def analyze(self, text: str, links: tuple[str, ...]) -> TextAnalysis:
        """Match phrases and tokenize the text, as far as the last evaluation needed it."""
        return self._analysis(*analyze_text(text, links, *self._needs()))

    async def analyze_offloaded(self, offload: Offload, text: str, links: tuple[str, ...]) -> TextAnalysis:
        """Run `analyze` outside the event loop."""
        return self._analysis(*await offload.run(analyze_text, text, links, *self._needs()))

    def _needs(self) -> tuple[bool, bool]:
        return not self._phrases[1].is_empty, self._has_learned

    def _analysis(self, folded: str, tokens: list[int] | None) -> TextAnalysis:
        generation, phrases = self._phrases
        return TextAnalysis(generation, tuple(phrases.find_in_folded(folded)), tokens)

    async def ask_checker(self, draft: Draft) -> CheckerVerdict | None:
        """Return the external checker's verdict, or None; texts of staff are not sent to it."""
        return await self.checker.ask(draft) if draft.kind != "staff" else None

    async def stop(self) -> None:
        """Close outgoing connections."""
        await self.checker.stop()

    def require_not_banned(
        self, session: Session, participant: ParticipantRow | None, addresses: tuple[str, ...]
    ) -> None:
        """Raise 403 `banned` for somebody who is banned from voting, reacting and reporting."""
        require_not_banned(session, participant, addresses)

    def evaluate(
        self,
        session: Session,
        submission: Submission,
        checker_verdict: CheckerVerdict | None = None,
        analysis: TextAnalysis | None = None,
    ) -> Verdict:
        """Return the verdict on a comment or an edit, or raise a problem for what is refused outright. Writes
        nothing.
        """
        settings = self.settings
        history = read_history(session, attempt_of(submission), None if submission.is_edit else self._rates())
        learned = ClassCounts(history.spam or 0, history.ham or 0)
        self._has_learned = is_trained(learned)
        words = analysis.tokens if analysis else None
        probability = partial(spam_probability, session, learned, submission.body.text, submission.body.links, words)
        if checker_verdict is None and settings.checker_url:
            checker_verdict = UNAVAILABLE
        case = ModerationContext(
            submission,
            history,
            settings,
            self._current(session, history.phrases),
            probability if self._has_learned else _unknown_probability,
            checker_verdict,
            analysis.phrases if analysis and analysis.generation == history.phrases else None,
        )
        return run_stages(case)

    def assess_risk(self, verdict: Verdict) -> int:
        """Return how doubtful a comment is by its verdict, 0 to 1,000."""
        return assess_risk(verdict)

    def log_verdict(self, session: Session, submission: Submission, verdict: Verdict) -> None:
        """Log a verdict that is not a plain publication, and emit its event."""
        if verdict.state != "published" or verdict.reasons:
            article_id = submission.article_id
            log_decision(
                session,
                submission.comment_id,
                "system",
                None,
                "screen",
                verdict.state,
                verdict.reasons,
                article_id=article_id,
            )
        comment: CommentRef = {"id": submission.comment_id, "article_id": submission.article_id}
        stages = [reason.stage for reason in verdict.reasons]
        if verdict.state == "pending" and submission.was_public:
            emit_held(session, comment, stages)
        elif verdict.state == "pending":
            emit_pending(session, comment, stages)
        elif verdict.state != "published":
            emit_decided(session, comment, "screen", verdict.state, by="system")

    def _current(self, session: Session, current: str | None) -> Phrases:
        """Return the current phrases, reloaded if their generation has changed."""
        generation, phrases = self._phrases
        if generation != current:
            phrases = compile_phrases(session)
            self._phrases = (current, phrases)
        return phrases


def _unknown_probability() -> float:
    return 0.5
