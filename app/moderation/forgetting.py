"""Withdrawing comments from moderation, and erasing persons and articles from its records."""

from sqlmodel import Session

from app.moderation import appeals, bans, learning, log, people, person_actions, queue, reports


def withdraw_comments(session: Session, comment_ids: list[str]) -> None:
    """Close the reports and appeals of comments that their authors removed, and erase the authors' texts."""
    reports.uphold_reports(session, comment_ids)
    appeals.close_appeals(session, comment_ids)
    appeals.erase_appeals(session, comment_ids)
    learning.erase_examples(session, comment_ids)
    queue.erase_cases(session, comment_ids)


def erase_person(session: Session, participant_ids: list[str], email: str | None, comment_ids: list[str]) -> None:
    """Erase a person's reports and appeals, notes on them and their comments, and what identifies them in bans."""
    withdraw_comments(session, comment_ids)
    reports.erase_reports(session, participant_ids, email, comment_ids)
    log.erase_notes(session, comment_ids)
    bans.erase_bans(session, participant_ids, comment_ids)
    people.erase_people(session, participant_ids)
    person_actions.erase_people(session, participant_ids)


def erase_article(session: Session, article_id: str) -> None:
    """Erase the notes about a purged article and its comments; the decisions themselves stay in the log."""
    log.erase_article_notes(session, article_id)
