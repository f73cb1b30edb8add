"""What all of moderation does together: letting comments go, and forgetting people."""

from sqlmodel import Session

from app.moderation import appeals, bans, learning, log, queue, reports


def withdraw_comments(session: Session, comment_ids: list[str]) -> None:
    """Settle what waits about comments that their authors took back, and drop their own words with them."""
    reports.uphold_reports(session, comment_ids)
    appeals.close_appeals(session, comment_ids)
    appeals.erase_appeals(session, comment_ids)
    learning.erase_examples(session, comment_ids)
    queue.erase_cases(session, comment_ids)


def erase_person(session: Session, participant_ids: list[str], email: str | None, comment_ids: list[str]) -> None:
    """Blank what moderation holds of a person: their reports, words about their comments, their appeals and bans."""
    withdraw_comments(session, comment_ids)
    reports.erase_reports(session, participant_ids, email, comment_ids)
    log.erase_notes(session, comment_ids)
    bans.erase_bans(session, participant_ids, comment_ids)


def erase_article(session: Session, article_id: str) -> None:
    """Blank the words about an article that is purged and about its comments; what was decided stays."""
    log.erase_article_notes(session, article_id)
