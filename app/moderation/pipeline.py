"""What the store knows of an author and a text: one statement for all stages."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.comments.schemas import Attempt, Banned, Draft, DuplicateComment, Judged, Reason, Submission, Verdict
from app.comments.tables import Comment
from app.core.clock import now
from app.core.problems import TooManyRequests
from app.core.settings import Settings
from app.db.columns import Row, table_of
from app.db.prepared import Prepared
from app.moderation import bans
from app.moderation.bans import require_not_banned
from app.moderation.checker import Checker
from app.moderation.events import emit_decided, emit_held, emit_pending
from app.moderation.learning import TEXTS, TOKEN, likeness
from app.moderation.log import record
from app.moderation.phrases import compiled, stamp
from app.moderation.rule_schemas import (
    A_DAY,
    A_MINUTE,
    MINUTES_A_DAY,
    SHORT,
    UNAVAILABLE,
    Case,
    Counted,
    Finding,
    Opinion,
    Phrases,
    Reading,
    Standing,
    folded_whole,
    is_trained,
    tokens,
)
from app.web.offload import Offload

MOST_LOOKED_AT = 200  # comments of a day that say the same, among which one's own are looked for
_C = table_of(Comment)
_AT = _C.c.created_at


def _given(name: str, column: ColumnElement[Any]) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


_AUTHOR = _C.c.participant_id == _given("author", _C.c.participant_id)
_ADDRESS = _C.c.address_hash == _given("address", _C.c.address_hash)


def _nth(who: ColumnElement[bool], since: str, n: str) -> sa.ScalarSelect[Any]:
    """When the n-th newest comment since a time was written: null where there are fewer."""
    newest = sa.select(_AT).where(who, _given(since, _AT) < _AT).order_by(_AT.desc())
    return newest.limit(1).offset(sa.bindparam(n, type_=sa.Integer())).scalar_subquery()


def _standing(counted: bool) -> sa.Select[Any]:
    # By the text, not by who wrote: one address may stand for very many people, and an author for a long day.
    names = "article_id under_id state participant_id address_hash id"
    alike = sa.select(*(_C.c[name] for name in names.split()))
    alike = alike.where(_C.c.fingerprint == _given("fingerprint", _C.c.fingerprint), _given("day", _AT) < _AT)
    newest = alike.order_by(_AT.desc()).limit(MOST_LOOKED_AT).subquery()
    theirs = newest.c.participant_id == _given("author", _C.c.participant_id)
    theirs |= newest.c.address_hash == _given("near", _C.c.address_hash)
    is_here = newest.c.article_id == _given("article", _C.c.article_id)
    stands = is_here & (newest.c.state != "removed")
    is_same_place = newest.c.under_id == _given("under", _C.c.under_id)
    here = sa.func.count(sa.case((stands & is_same_place, 1)))
    nearby = sa.func.count(sa.case((stands & ~is_same_place, newest.c.under_id)).distinct())
    elsewhere = sa.func.count(sa.case((~is_here, newest.c.article_id)).distinct())
    learned = sa.select(TOKEN.c.spam).where(TOKEN.c.token == TEXTS)
    windows = [
        _nth(who, since, f"{name}_{since}")
        for name, who in (("author", _AUTHOR), ("address", _ADDRESS))
        for since in ("minute", "day")
    ]
    return sa.select(
        bans.stands(),
        *(windows if counted else [sa.null()] * len(windows)),
        here,
        elsewhere,
        stamp(),
        learned.scalar_subquery(),
        learned.with_only_columns(TOKEN.c.ham).scalar_subquery(),
        nearby,
    ).where(theirs, newest.c.id != _given("comment", _C.c.id))


_STANDING = {counted: Prepared(_standing(counted)) for counted in (True, False)}


def standing(
    store: sa.Connection | Session,
    attempt: Attempt,
    rates: tuple[int, int] | None = None,
    *,
    ahead: int = 0,
) -> Standing:
    """What is known of the author and the text of a submission.

    `rates`: comments a minute, before this one, of an author and of an address; None where nobody counts. `ahead`: so
    many comments of a batch are going to be posted before this one.
    """
    address, day = attempt.addresses[0] if attempt.addresses else None, attempt.at - timedelta(seconds=A_DAY)
    person = attempt.participant
    given: dict[str, Any] = {
        "author": person["id"] if person else None,
        "near": address if len(attempt.text) >= SHORT else None,
        "comment": attempt.comment_id,
        "article": attempt.article_id,
        "under": attempt.under_id,
        "fingerprint": attempt.fingerprint,
        "day": day,
        "at": now(),
        **bans.parameters(bans.values(person, attempt.addresses, attempt.email)),
    }
    if rates is not None:
        given |= {"address": address, "minute": attempt.at - timedelta(seconds=A_MINUTE)}
        for name, rate in zip(("author", "address"), rates, strict=True):
            most = {"minute": rate, "day": rate * MINUTES_A_DAY}
            given |= {f"{name}_{window}": max(0, many - 1 - ahead) for window, many in most.items()}
    return Standing._make(_STANDING[rates is not None].one(store, given))


def attempt_of(submission: Submission) -> Attempt:
    """A submission as `standing` knows it."""
    return Attempt(
        submission.participant,
        submission.addresses,
        submission.email,
        submission.comment_id,
        submission.article_id,
        submission.under_id or submission.article_id,
        submission.at,
        submission.text,
        submission.fingerprint,
    )


SPAM, DOUBTFUL = 0.99, 0.9  # likeness to spam
MANY_ARTICLES = 3
MANY_PLACES = 3  # of one article, which have the same text already
_STRICTER: dict[str, int] = {"published": 0, "pending": 1, "rejected": 2, "spam": 3}
_Harm = Literal["pending", "rejected", "spam"]
_MEANS: dict[str, _Harm] = {"hold": "pending", "reject": "rejected", "spam": "spam"}  # of phrases and of the checker


def banned(case: Case) -> Finding | None:
    """Who is banned does not take part: 403."""
    if case.standing.banned:
        raise Banned
    return None


def _wait(moment: datetime, window: int) -> int:
    """Seconds until a comment of that moment is out of the window."""
    return max(1, min(window, round((moment - now()).total_seconds()) + window))


def flood(case: Case) -> Finding | None:
    """Too many comments of one author or from one address: 429 that says when to come back."""
    _refuse_flood(case.standing)
    return None


def _refuse_flood(known: Standing) -> None:
    windows = (
        (known.author_minute, A_MINUTE),
        (known.address_minute, A_MINUTE),
        (known.author_day, A_DAY),
        (known.address_day, A_DAY),
    )
    waits = [_wait(moment, window) for moment, window in windows if moment is not None]
    if waits:
        raise TooManyRequests("Too many comments in a short time.", headers={"Retry-After": str(max(waits))})


def repeat(case: Case) -> Finding | None:
    """The same text in the same place, or a longer one in many places of an article: 409. Under many articles: spam.

    People say "Yes!" to several comments; advertisements are longer.
    """
    _refuse_repeat(case.standing, case.submission.text)
    if case.standing.articles >= MANY_ARTICLES - 1 and len(case.submission.text) >= SHORT:
        return Finding("spam", f"under {case.standing.articles + 1} articles")
    return None


def _refuse_repeat(known: Standing, text: str) -> None:
    if known.repeats_here or (known.parents >= MANY_PLACES and len(text) >= SHORT):
        raise DuplicateComment


def phrases(case: Case) -> Finding | None:
    """Words that moderators have listed, in the text, the name and the links; the strictest of them decides."""
    if case.found is None:
        found = case.phrases.found(case.submission.text, case.submission.name, case.submission.links)
    else:
        found = [*case.found, *case.phrases.found("", case.submission.name, ())]
    if not found:
        return None
    first = max(found, key=lambda phrase: _STRICTER[_MEANS[phrase.action]])
    return Finding(_MEANS[first.action], first.id)


def links(case: Case) -> Finding | None:
    """More links than a reader's comment usually has."""
    count = len(case.submission.links)
    return Finding("pending", f"{count} links") if count > case.settings.max_links else None


def new_author(case: Case) -> Finding | None:
    """Authors whom moderators have not approved often enough; a guest without a proven e-mail stays a new one."""
    needed, author = case.settings.moderate_new_authors, case.submission.participant
    if not needed:
        return None
    known = author["kind"] != "guest" or author["confirmed_at"] is not None
    approved = author["approved"] if known else 0
    return Finding("pending", f"{approved} of {needed} approved") if approved < needed else None


def local_bayes(case: Case) -> Finding | None:
    """What moderators called spam before looks like this."""
    likely = case.likeness()
    if likely < DOUBTFUL:
        return None
    return Finding("spam" if likely >= SPAM else "pending", f"{likely:.3f}")


def external(case: Case) -> Finding | None:
    """What the checker outside of this process said; that it said nothing is never passed over."""
    if case.opinion is None or case.opinion.verdict == "publish":
        return None
    if case.opinion.verdict == "unavailable":
        held = case.settings.checker_on_unavailable == "pending"
        return Finding("pending" if held else "note", "unavailable")
    return Finding(_MEANS[case.opinion.verdict], case.opinion.reason)


def mode(case: Case) -> Finding | None:
    """Articles whose every comment is read first, and comments that must wait for a reason of their own."""
    if case.submission.moderation == "pre":
        return Finding("pending", "pre")
    return Finding("pending", "waits") if case.submission.must_wait else None


STAGES: tuple[Callable[[Case], Finding | None], ...] = (
    banned,
    flood,
    repeat,
    phrases,
    links,
    new_author,
    local_bayes,
    external,
    mode,
)


def passed(case: Case) -> Verdict:
    """What becomes of a submission: the strictest of what the stages find; a refusal ends it. Staff are only banned."""
    state: Judged = "published"
    reasons: list[Reason] = []
    for stage in STAGES if case.submission.kind != "staff" else (banned,):
        finding = stage(case)
        if finding is None:
            continue
        reasons.append(Reason(stage.__name__, finding.detail))
        if finding.state != "note" and _STRICTER[finding.state] > _STRICTER[state]:
            state = finding.state
        if state in ("rejected", "spam"):
            break
    return Verdict(state, tuple(reasons))


class Screening:
    """The judges of one process: `app.comments.schemas.Screen`."""

    def __init__(self, settings: Settings, checker: Checker | None = None) -> None:
        self.settings, self.checker = settings, checker or Checker(settings)
        self._phrases: tuple[str | None, Phrases] = (None, Phrases())
        self._has_learned = False  # whether the classifier had an opinion when it was asked last

    @property
    def asks_outside(self) -> bool:
        """Whether there is a checker."""
        return bool(self.checker.url)

    def check_attempt(self, store: sa.Connection | Session, attempt: Attempt, ahead: int = 0) -> None:
        """Refuse who is banned, floods and repeats by what the store knows, before the text is read or sent anywhere.

        What passes is judged again in the transaction that posts it.
        """
        rates = None if attempt.is_staff or attempt.is_edit else self._rates()
        known = standing(store, attempt, rates, ahead=ahead)
        if known.banned:
            raise Banned
        if rates is not None and ahead >= min(rates):
            raise TooManyRequests("Too many comments in a short time.", headers={"Retry-After": str(A_MINUTE)})
        _refuse_flood(known)
        if attempt.fingerprint and not attempt.is_staff:
            _refuse_repeat(known, attempt.text)

    def _rates(self) -> tuple[int, int] | None:
        settings = self.settings
        return (settings.flood_author, settings.flood_address) if settings.rate_limits != "off" else None

    def read(self, text: str, links: tuple[str, ...]) -> Reading:
        """Look for phrases and count words, as far as that was needed at the last comment."""
        return self._reading(*analyse(text, links, *self._needs()))

    async def read_aside(self, offload: Offload, text: str, links: tuple[str, ...]) -> Reading:
        """Do as `read` does, away from the event loop."""
        return self._reading(*await offload.run(analyse, text, links, *self._needs()))

    def _needs(self) -> tuple[bool, bool]:
        return not self._phrases[1].is_empty, self._has_learned

    def _reading(self, folded: str, tokens: list[int] | None) -> Reading:
        stamp, known = self._phrases
        return Reading(stamp, tuple(known.found_in(folded)), tokens)

    async def consult(self, draft: Draft) -> Opinion | None:
        """Ask the checker, where there is one; the staff's words are not sent to it."""
        return await self.checker.ask(draft) if draft.kind != "staff" else None

    async def stop(self) -> None:
        """Close what is open to the outside."""
        await self.checker.stop()

    def admit(self, session: Session, participant: Row | None, addresses: tuple[str, ...]) -> None:
        """403 for those who are banned, whatever they are about to do: vote, react, report."""
        require_not_banned(session, participant, addresses)

    def judge(
        self,
        session: Session,
        submission: Submission,
        opinion: Opinion | None = None,
        reading: Reading | None = None,
    ) -> Verdict:
        """Decide about a comment or an edit; what is refused outright is raised as a problem. Writes nothing."""
        settings = self.settings
        known = standing(session, attempt_of(submission), None if submission.is_edit else self._rates())
        learned = Counted(known.spam or 0, known.ham or 0)
        self._has_learned = is_trained(learned)
        words = reading.tokens if reading else None
        like = partial(likeness, session, learned, submission.text, submission.links, words)
        if opinion is None and settings.checker_url:
            opinion = UNAVAILABLE
        case = Case(
            submission,
            known,
            settings,
            self._current(session, known.phrases),
            like if self._has_learned else _unknown,
            opinion,
            reading.phrases if reading and reading.stamp == known.phrases else None,
        )
        return passed(case)

    def filed(self, session: Session, submission: Submission, verdict: Verdict) -> None:
        """Note in the moderation log why a comment that now stands was not simply published."""
        if verdict.state != "published" or verdict.reasons:
            about = submission.article_id
            record(
                session,
                submission.comment_id,
                "system",
                None,
                "screen",
                verdict.state,
                verdict.reasons,
                article_id=about,
            )
        comment = {"id": submission.comment_id, "article_id": submission.article_id}
        stages = [reason.stage for reason in verdict.reasons]
        if verdict.state == "pending" and submission.was_public:
            emit_held(session, comment, stages)
        elif verdict.state == "pending":
            emit_pending(session, comment, stages)
        elif verdict.state != "published":
            emit_decided(session, comment, "screen", verdict.state, by="system")

    def _current(self, session: Session, stamp: str | None) -> Phrases:
        """The phrases as they stand, read again where another process or this one has changed them."""
        kept, found = self._phrases
        if kept != stamp:
            found = compiled(session)
            self._phrases = (stamp, found)
        return found


def analyse(text: str, links: tuple[str, ...], with_looks: bool, with_tokens: bool) -> tuple[str, list[int] | None]:
    """Give a text and its links by their looks, for phrases, and the hashes of its words, for the classifier."""
    return folded_whole(text, "", links) if with_looks else "", tokens(text, links) if with_tokens else None


def _unknown() -> float:
    return 0.5
