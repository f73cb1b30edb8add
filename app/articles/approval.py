"""The rule of approval: whether a text may become public, which needs the approval of just this revision.

A section publishes approved texts alone if the nearest rule says so: its own, that of a section above, or the site's.
Steps say who approved which revision, and record what rules ask about: whether the approver wrote a part of the text,
and the approver's roles. They are judged by the rules that are in force when the text becomes public, so that a rule
that becomes stricter holds for all that is not public yet. A text that is public stays so.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.effects import find_gathered
from app.articles.tables import SITE_ID, Article, Revision
from app.articles.tables import ApprovalRule as RuleTable
from app.articles.tables import ApprovalStep as StepTable
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Conflict
from app.db.columns import table_of
from app.db.rows import Statement, Store, fetch_row, fetch_rows
from app.events.log import emit
from app.events.staff_events import ArticleApproved, ArticleReturned, ArticleSubmitted
from app.identity.schemas import Actor
from app.publication.section_tree import CLOSURE, lock_tree

Action = Literal["submitted", "approved", "returned"]
RULE, STEP = table_of(RuleTable), table_of(StepTable)
_REVISION = table_of(Revision)
_EVENTS = {"submitted": ArticleSubmitted, "approved": ArticleApproved, "returned": ArticleReturned}


class ApprovalRequired(Conflict, code="approval_required", title="The text must be approved first"):
    """The section requires approval, and this revision is not approved as it requires; `revision` names it."""

    def __init__(self, revision: int) -> None:
        super().__init__(
            f"Publishing here requires approval, and revision {revision} is not approved. Approve just this revision.",
            revision=revision,
        )


class ApprovalRule(NamedTuple):
    """What a section requires before a text becomes public."""

    required: bool
    roles: frozenset[str] | None  # one of which the approver must have; None: any approver
    four_eyes: bool  # whether the approver must not have written a part of the text
    target_id: str | None = None  # the section whose rule it is, or SITE_ID; None: there is none


NOTHING_REQUIRED = ApprovalRule(required=False, roles=None, four_eyes=False)


class _RuleRow(TypedDict):
    target_id: str
    required: bool
    roles: list[str] | None
    four_eyes: bool


def _select_rule() -> Statement:
    """Select the rule that is nearest to the section `section_id`."""
    section_id = sa.bindparam("section_id", type_=CLOSURE.c.descendant_id.type)
    is_above = (CLOSURE.c.ancestor_id == RULE.c.target_id) & (CLOSURE.c.descendant_id == section_id)
    return (
        sa.select(*(RULE.c[name] for name in _RuleRow.__annotations__))
        .select_from(RULE.outerjoin(CLOSURE, is_above))
        .where(RULE.c.required.is_not(None), CLOSURE.c.depth.is_not(None) | (RULE.c.target_id == SITE_ID))
        .order_by(CLOSURE.c.depth.is_(None), CLOSURE.c.depth)
        .limit(1)
    )


_RULE_OF_SECTION = _select_rule()  # built once: each publication asks for it


def find_rule(store: Store, section_id: str | None) -> ApprovalRule:
    """Find the rule for articles of a section, or of none: the nearest one."""
    row = fetch_row(store, _RULE_OF_SECTION, _RuleRow, {"section_id": section_id})
    if row is None:
        return NOTHING_REQUIRED
    roles = None if row["roles"] is None else frozenset(row["roles"])
    return ApprovalRule(bool(row["required"]), roles, bool(row["four_eyes"]), row["target_id"])


def find_rules(store: Store, section_ids: Iterable[str | None]) -> list[ApprovalRule]:
    """Find the rules of sections that require approval."""
    rules = [find_rule(store, section_id) for section_id in sorted(set(section_ids), key=str)]
    return [rule for rule in rules if rule.required]


class StepFacts(TypedDict):
    """What rules ask about a step."""

    n: int
    action: str
    own: bool
    roles: list[str]


def _list_facts(session: Session, article_id: str) -> list[StepFacts]:
    """List the steps of an article, the first first."""
    columns = (STEP.c.n, STEP.c.action, STEP.c.own, STEP.c.roles)
    query = sa.select(*columns).where(STEP.c.article_id == article_id).order_by(STEP.c.id)
    return fetch_rows(session, query, StepFacts)


def _keep_valid(steps: Iterable[StepFacts]) -> dict[int, list[StepFacts]]:
    """Return the approvals of each revision that were not taken back by returning it."""
    valid: dict[int, list[StepFacts]] = {}
    for step in steps:
        if step["action"] == "returned":
            valid.pop(step["n"], None)
        elif step["action"] == "approved":
            valid.setdefault(step["n"], []).append(step)
    return valid


def satisfies(rule: ApprovalRule, step: StepFacts) -> bool:
    """Whether an approval is one that a rule asks for."""
    has_role = rule.roles is None or not rule.roles.isdisjoint(step["roles"])
    return has_role and not (rule.four_eyes and step["own"])


def is_approved(session: Session, article_id: str, n: int, rules: Collection[ApprovalRule]) -> bool:
    """Whether a revision is approved as all of these rules require."""
    approvals = _keep_valid(_list_facts(session, article_id)).get(n, [])
    return all(any(satisfies(rule, step) for step in approvals) for rule in rules)


def may_become_public(session: Session, article: Article, n: int, section_ids: Iterable[str | None]) -> bool:
    """Whether revision `n` may become public in these sections now; rules stay as they are until the commit."""
    gathered = find_gathered(session)
    known = cast("dict[str | None, ApprovalRule]", gathered.rules if gathered is not None else {})
    sections = sorted(set(section_ids), key=str)
    if not known.keys() >= set(sections):
        lock_tree(session, shared=True)
        known |= {section_id: find_rule(session, section_id) for section_id in sections}
    rules = [known[section_id] for section_id in sections if known[section_id].required]
    return not rules or is_approved(session, article.id, n, rules)


def require_approval(session: Session, article: Article, n: int, section_ids: Iterable[str | None]) -> None:
    """Raise 409 unless revision `n` may become public in these sections now."""
    if not may_become_public(session, article, n, section_ids):
        raise ApprovalRequired(n)


class _SavedRevision(TypedDict):
    n: int
    actor_id: str | None
    person_id: str | None
    restored_from: int | None
    published_at: datetime | None


def wrote_part(session: Session, actor: Actor, article: Article, n: int) -> bool:
    """Whether the caller saved a part of revision `n` that nobody else has approved and no reader has seen.

    A key of the same person is the same caller. Looked at are the revisions since the last one before it that somebody
    else approved or that was public, and where one of them restored an older revision, likewise those before that one.
    """
    columns = [_REVISION.c[name] for name in _SavedRevision.__annotations__]
    query = sa.select(*columns).where(_REVISION.c.article_id == article.id, _REVISION.c.n <= n)
    revisions = {row["n"]: row for row in fetch_rows(session, query, _SavedRevision)}
    valid = _keep_valid(_list_facts(session, article.id))
    cleared = {m for m, steps in valid.items() if not all(step["own"] for step in steps)}
    cleared |= {m for m, row in revisions.items() if row["published_at"] is not None}
    waiting, looked_at = [n], set[int]()
    while waiting:
        m = waiting.pop()
        if m in looked_at or m not in revisions or (m in cleared and m != n):
            continue
        looked_at.add(m)
        row = revisions[m]
        if {actor.id, actor.person} & {row["actor_id"], row["person_id"]} - {None}:
            return True
        waiting += [m - 1, *([row["restored_from"]] if row["restored_from"] else [])]
    return False


def add_step(
    session: Session,
    actor: Actor,
    article: Article,
    n: int,
    action: Action,
    note: str | None,
    *,
    own: bool = False,
    roles: Collection[str] = (),
) -> None:
    """Add a step to the history of an article, whose row shows the last one; raises its version."""
    moment = now()
    step = StepTable(
        id=new_id(),
        article_id=article.id,
        n=n,
        action=action,
        at=moment,
        note=note,
        actor_id=actor.id,
        actor_name=actor.name,
        person_id=actor.person,
        own=own,
        roles=sorted(roles),
    )
    session.add(step)
    article.approval, article.approval_revision = action, n
    article.approval_at, article.approval_by = moment, actor.name
    article.highest_version = max(article.version, article.highest_version)
    article.version = article.highest_version + 1
    article.card_stamp = 0
    session.flush()
    emit(
        session,
        _EVENTS[action](subject_id=article.id, section_id=article.section_id, revision=n),
    )


def forget_approval(article: Article) -> None:
    """Note that the newest text is one that nobody approved. The approval of the revision before it stays."""
    if article.approval == "approved":
        article.approval, article.approval_revision = "none", None
        article.approval_at = article.approval_by = None
