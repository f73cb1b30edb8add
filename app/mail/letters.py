"""Contents of mails, read at the moment of sending so that nothing is sent that is no longer public."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Required, TypedDict, cast
from unicodedata import category
from urllib.parse import quote, urlsplit, urlunsplit

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.corrections import Correction
from app.articles.reading import ARTICLE, SECTION
from app.comments.reading import C
from app.comments.visibility import read_visibility
from app.core.clock import now
from app.core.logs import redact
from app.core.settings import Settings
from app.db import Database
from app.db.rows import JsonObject, fetch_rows
from app.deliveries.schemas import ClaimedDelivery, Outcome
from app.identity.secrets import Vault
from app.mail.digests import MAX_ITEMS, list_items
from app.mail.invitations import EVENT as INVITATION
from app.mail.invitations import find_invitation_letter
from app.mail.moderation import MODERATION_MAILS, find_moderation_letter
from app.mail.notifications import find_correction, is_comment_shown
from app.mail.schemas import CHANNEL, Content, Letter
from app.mail.staff import LIST_ID as STAFF_LIST
from app.mail.staff import STAFF_MAILS, find_staff_letter
from app.mail.staff import TEMPLATE as STAFF_TEMPLATE
from app.net.smtp import MAIL_FOLDER, WIRE_POLICY, Mailer, MailRefused, ascii_domain, open_mailer
from app.people.invitations import make_invitation_token
from app.publication.site import Site
from app.publication.term_queries import path_of_section
from app.site.profile import find_name
from app.subscriptions.opt_ins import create_confirm_token, find_opt_in
from app.subscriptions.subscriptions import (
    SubscriberRow,
    SubscriptionRow,
    describe_targets,
    find_subscriber,
    list_confirmed,
)
from app.subscriptions.suppressions import find_suppression, suppress_address
from app.subscriptions.unsubscribing import create_all_token, create_digest_token, create_token
from app.text.inputs import make_excerpt
from app.text.names import public_name, strip_bidi_controls

if TYPE_CHECKING:
    from jinja2 import Environment

_COLUMNS = [ARTICLE.c[name] for name in "id slug type title dek excerpt published_at corrections".split()]
_SELECT_ARTICLES = sa.select(*_COLUMNS, path_of_section(SECTION).label("section")).outerjoin(
    SECTION, SECTION.c.id == ARTICLE.c.section_id
)
_SELECT_COMMENTS = sa.select(*(C.c[name] for name in "id article_id parent_id author_name text created_at".split()))
_DIGEST_PARTS = {"article.published": "articles", "article.corrected": "corrections", "comment.published": "comments"}


class _ArticleRow(TypedDict):
    id: str
    slug: str
    type: str
    title: str
    dek: str
    excerpt: str
    published_at: datetime
    corrections: list[Correction]
    section: str | None


class ArticleValues(_ArticleRow):
    """An article in a template."""

    summary: str
    url: str


class _CommentRow(TypedDict):
    id: str
    article_id: str
    parent_id: str | None
    author_name: str
    text: str
    created_at: datetime


class CommentValues(_CommentRow):
    """A comment in a template."""

    name: str
    excerpt: str
    url: str


class EntryValues(TypedDict, total=False):
    """An event in a template, also as an entry of a digest."""

    article: Required[ArticleValues]
    comment: CommentValues
    correction: Correction | None
    is_reply: bool


def find_letter(
    connection: sa.Connection, event_type: str, subscriber_id: str, content: Content, site: Site, editor_page: str
) -> Letter | None:
    """Return the letter of a delivery, or None if it should no longer be sent."""
    if event_type == INVITATION:
        return find_invitation_letter(connection, content)
    if event_type in STAFF_MAILS:
        return find_staff_letter(connection, event_type, subscriber_id, content, editor_page)
    if event_type in MODERATION_MAILS:
        return _link_comment(connection, find_moderation_letter(connection, event_type, subscriber_id, content), site)
    recipient = find_subscriber(connection, subscriber_id)
    if recipient is None or find_suppression(connection, recipient["email"]):
        return None
    if event_type == "opt_in":
        return _opt_in_letter(connection, recipient, content, site)
    if event_type == "digest":
        return _digest_letter(connection, recipient, content, site)
    live = _confirmed_subscriptions(connection, content["subscriptions"])
    values = _find_values(connection, event_type, content, site) if live else None
    if values is None:
        return None
    article_id = values["article"]["id"]
    template, list_id, thread = "article", "articles", list[str]()
    if event_type == "comment.published":
        template, list_id, thread = "comment", f"comments.{article_id}", [f"article.published:{article_id}"]
        if parent_id := values["comment"]["parent_id"]:
            thread.append(f"comment.published:{parent_id}")
        values["is_reply"] = any(row["kind"] == "comments.replies_to_me" for row in live.values())
    elif event_type == "article.corrected":
        template, list_id, thread = "correction", f"article.{article_id}", [f"article.published:{article_id}"]
    return Letter(
        recipient["email"],
        recipient["id"],
        template,
        {**values},
        list_id,
        subscriptions=tuple(live.values()),
        thread=tuple(thread),
    )


def _link_comment(connection: sa.Connection, letter: Letter | None, site: Site) -> Letter | None:
    """Add the address of a comment to a letter about it; None where readers do not see its article."""
    if letter is None or not isinstance(comment := letter.values.get("comment"), dict):
        return letter
    article = _find_articles(connection, [comment["article"]], site).get(comment["article"])
    link = f"{article['url']}#comment-{comment['id']}" if article else None
    return letter._replace(values={**letter.values, "link": link})


def _confirmed_subscriptions(connection: sa.Connection, ids: Collection[str]) -> dict[str, SubscriptionRow]:
    """Return those of the subscriptions that are still active."""
    return {row["id"]: row for row in list_confirmed(connection, list(ids))}


def _find_articles(connection: sa.Connection, ids: Collection[str], site: Site) -> dict[str, ArticleValues]:
    """Return public articles as letters show them."""
    rows = fetch_rows(connection, _SELECT_ARTICLES.where(ARTICLE.c.id.in_(ids), ARTICLE.c.public), _ArticleRow)
    return {row["id"]: _present_article(row, site) for row in rows}


def _present_article(row: _ArticleRow, site: Site) -> ArticleValues:
    url = site.url + quote(site.path_of(row["section"], row["slug"], row["published_at"], row["type"], row["id"]))
    return {**row, "summary": row["dek"] or row["excerpt"], "url": url}


def _find_comments(connection: sa.Connection, ids: Collection[str]) -> dict[str, CommentValues]:
    """Return comments as letters show them, whether readers see them or not."""
    rows = fetch_rows(connection, _SELECT_COMMENTS.where(C.c.id.in_(ids)), _CommentRow)
    return {row["id"]: _present_comment(row) for row in rows}


def _present_comment(row: _CommentRow) -> CommentValues:
    name, excerpt = public_name(row["author_name"]), strip_bidi_controls(make_excerpt(row["text"], 280))
    return {**row, "name": name, "excerpt": excerpt, "url": ""}  # its article has the URL


def _find_values(connection: sa.Connection, event_type: str, content: Content, site: Site) -> EntryValues | None:
    """Return the template values for one event, or None if it is no longer public."""
    comment = None
    if event_type == "comment.published":
        comment = _find_comments(connection, [content["comment"]]).get(content["comment"])
        if comment is None or not is_comment_shown(connection, comment["article_id"], comment["id"]):
            return None
    article_id = comment["article_id"] if comment else content["article"]
    article = _find_articles(connection, [article_id], site).get(article_id)
    if article is None or _is_withdrawn(article, content):
        return None
    return _letter_values(article, comment, content)


def _is_withdrawn(article: ArticleValues, content: Content) -> bool:
    """Whether the letter is about a correction that was withdrawn."""
    is_correction = "correction" in content or "correction_n" in content
    return is_correction and find_correction(article["corrections"], content) is None


def _letter_values(article: ArticleValues, comment: CommentValues | None, content: Content) -> EntryValues:
    values: EntryValues = {"article": article}
    if comment is not None:
        values["comment"] = {**comment, "url": f"{article['url']}#comment-{comment['id']}"}
    if "correction" in content or "correction_n" in content:
        values["correction"] = find_correction(article["corrections"], content)
    return values


def _digest_letter(connection: sa.Connection, recipient: SubscriberRow, content: Content, site: Site) -> Letter | None:
    """Return a digest of what is still public and subscribed to, or None if nothing is left."""
    items = list_items(connection, recipient["id"], content["period"])
    live = _confirmed_subscriptions(connection, {one for item in items for one in item["content"]["subscriptions"]})
    items = [item for item in items if any(one in live for one in item["content"]["subscriptions"])]
    comments = _find_comments(
        connection, [item["content"]["comment"] for item in items if "comment" in item["content"]]
    )
    ids = {one["article_id"] for one in comments.values()}
    ids |= {item["content"]["article"] for item in items if "article" in item["content"]}
    articles = _find_articles(connection, ids, site)
    visibility = read_visibility(connection, articles=ids, comments=comments)
    entries: dict[str, list[EntryValues]] = {what: [] for what in _DIGEST_PARTS}
    for item in items:
        comment = comments.get(item["content"].get("comment", ""))
        article = articles.get(comment["article_id"] if comment else item["content"].get("article", ""))
        is_hidden = comment is not None and not visibility.has_comment(comment["article_id"], comment["id"])
        if article is None or is_hidden or _is_withdrawn(article, item["content"]):
            continue
        if "comment" not in item["content"] or comment:
            entries[item["what"]].append(_letter_values(article, comment, item["content"]))
    number = sum(len(some) for some in entries.values())
    if not number:
        return None
    frequency = content["period"].partition(":")[0]
    values: JsonObject = {
        "frequency": frequency,
        "number": number,
        "more": max(0, number - MAX_ITEMS),
        **_cut_entries(entries),
    }
    return Letter(recipient["email"], recipient["id"], "digest", values, f"digest.{frequency}", digest=frequency)


def _cut_entries(entries: dict[str, list[EntryValues]]) -> dict[str, list[EntryValues]]:
    """Limit the entries to `MAX_ITEMS`, grouped by type; comments are sorted by article."""
    entries["comment.published"].sort(key=lambda one: (one["article"]["title"], one["article"]["id"]))
    remaining, out = MAX_ITEMS, dict[str, list[EntryValues]]()
    for event_type, name in _DIGEST_PARTS.items():
        out[name] = entries[event_type][:remaining]
        remaining -= len(out[name])
    return out


def _opt_in_letter(connection: sa.Connection, recipient: SubscriberRow, content: Content, site: Site) -> Letter | None:
    """Return the confirmation mail. It contains no text that the requester could have chosen."""
    row = find_opt_in(connection, content["opt_in"])
    if row is None:
        return None
    target = describe_targets(connection, [row["target"]])[row["target"]]
    if target["type"] != "site" and target["name"] is None:
        return None  # no longer public
    values: JsonObject = {
        "kind": row["kind"],
        "target": target,
        "frequency": row["frequency"],
        "opt_in": row["id"],
        "confirm_url": row["confirm_url"],
        "with_comment": row["comment_id"] is not None,
        "is_known": row["confirmed_at"] is not None,
        "link": None,
    }
    if row["comment_id"] is not None:
        comment_values = _find_values(connection, "comment.published", {"comment": row["comment_id"]}, site)
        if comment_values is None:
            return None
        values["link"] = comment_values["comment"]["url"]
    return Letter(recipient["email"], recipient["id"], "opt_in", values, "subscriptions")


TEMPLATES: Final = (
    *("opt_in", "comment", "article", "correction", "digest"),
    *(INVITATION, STAFF_TEMPLATE, *MODERATION_MAILS),
)
MAX_SUBJECT_LENGTH: Final = 200
_JOINERS: Final = "\u200c\u200d"


def load_templates(folder: Path | None) -> "Environment":
    """Load the templates, preferring the publication's own. Raises if any cannot be loaded."""
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, select_autoescape

    own = [FileSystemLoader(folder)] if folder is not None else []
    templates = Environment(
        loader=ChoiceLoader([*own, PackageLoader("app.mail")]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in TEMPLATES:
        for part in ("subject.txt", "txt", "html"):
            templates.get_template(f"{name}.{part}")
    return templates


def _add_token(url: str, token: str) -> str:
    """Return a URL with the token added to its query."""
    parts = urlsplit(url)
    query = f"{parts.query}&token={token}" if parts.query else f"token={token}"
    return urlunsplit(parts._replace(query=query))


class MailWriter:
    """Renders letters as mails."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self.settings, self.vault = settings, vault
        if settings.templates_dir is not None:  # tells at the start if they cannot be used
            self.templates = load_templates(settings.templates_dir)
        self.name, self.address = settings.sender
        self.address = ascii_domain(self.address)
        self.domain = self.address.rpartition("@")[2]

    @cached_property
    def templates(self) -> "Environment":
        """The templates, loaded for the first mail."""
        return load_templates(self.settings.templates_dir)

    def message_id(self, event: str, subscriber_id: str) -> str:
        """Return a Message-ID that is the same for each event and subscriber, so that duplicates are recognized
        (RFC 5322 §3.6.4).
        """
        body = sha256(f"{self.settings.site_url}|{event}|{subscriber_id}".encode()).hexdigest()[:40]
        return f"<{body}@{self.domain}>"

    def write(self, event: str, letter: Letter, site_name: str) -> EmailMessage:
        """Render the mail as plain text and HTML, from the publication of this name."""
        values = self._values(letter, site_name)
        message = EmailMessage(policy=WIRE_POLICY)
        message["From"] = Address((self.name or site_name).replace("=?", "= ?"), addr_spec=self.address)
        message["To"] = _recipient_address(letter.to)
        message["Subject"] = self._subject(letter.template, values)
        message["Date"] = format_datetime(now())
        message["Message-ID"] = self.message_id(event, letter.subscriber_id)
        if letter.thread:
            ids = [self.message_id(one, letter.subscriber_id) for one in letter.thread]
            message["In-Reply-To"], message["References"] = ids[-1], " ".join(ids)
        host = ascii_domain(f"x@{urlsplit(self.settings.site_url).hostname}")[2:]
        message["List-Id"] = f"<{letter.list_id}.{host}>"
        if letter.list_id != STAFF_LIST:
            message["List-Unsubscribe"] = f"<{values['unsubscribe_url']}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message["Auto-Submitted"] = "auto-generated"
        for part, subtype in (("txt", "plain"), ("html", "html")):
            text = self.templates.get_template(f"{letter.template}.{part}").render(values)
            add = message.set_content if subtype == "plain" else message.add_alternative
            add(text, subtype=subtype, cte="quoted-printable")
        return message

    def _subject(self, template: str, values: JsonObject) -> str:
        """Render the subject as one line."""
        text = self.templates.get_template(f"{template}.subject.txt").render(values)
        line = " ".join("".join(map(_clean_character, text)).split())
        line = line.replace("=?", "= ?")  # or the email library decodes an encoded word, with line breaks, from a title
        return line if len(line) <= MAX_SUBJECT_LENGTH else f"{line[: MAX_SUBJECT_LENGTH - 1]}…"

    def _values(self, letter: Letter, site_name: str) -> JsonObject:
        site = {"name": site_name, "url": self.settings.site_url}
        return {
            **letter.values,
            "site": site,
            "unsubscribe_url": self._unsubscribe(letter),
            "unsubscribe_all_url": self._link(create_all_token(self.vault, letter.to)),
            "confirm_link": self._confirm(letter),
            "invitation_link": self._invitation(letter),
            "moderation_page": self.settings.moderation_url or None,
        }

    def _link(self, token: str) -> str:
        return f"{self.settings.api}/v1/unsubscribe/{token}"

    def _unsubscribe(self, letter: Letter) -> str:
        if letter.digest is not None:
            return self._link(create_digest_token(self.vault, letter.to, letter.digest))
        if letter.subscriptions:
            return self._link(create_token(self.vault, letter.to, letter.subscriptions))
        return self._link(create_all_token(self.vault, letter.to))

    def _confirm(self, letter: Letter) -> str | None:
        if letter.template != "opt_in":
            return None
        page = cast("str | None", letter.values["confirm_url"]) or self.settings.site_url + self.settings.confirm_path
        return _add_token(page, create_confirm_token(self.vault, str(letter.values["opt_in"])))

    def _invitation(self, letter: Letter) -> str | None:
        if letter.template != INVITATION:
            return None
        return self.settings.invitation_page + make_invitation_token(self.vault, str(letter.values["invitation"]))


def _clean_character(char: str) -> str:
    """Return a character as allowed in a subject: direction marks are removed, joiners of letters and emoji are
    kept.
    """
    if char.isprintable() or char in _JOINERS:
        return char
    return "" if category(char) == "Cf" else " "


def _recipient_address(address: str) -> Address:
    local, _, domain = ascii_domain(address).rpartition("@")
    return Address(username=local, domain=domain)


class MailChannel:
    """The delivery channel `mail`. Its endpoints are subscribers; contents are read when they are sent."""

    name = CHANNEL
    schedule: Sequence[float] = (30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 86400)
    timeout = 90.0
    patience: timedelta | None = None

    def __init__(self, settings: Settings, vault: Vault, mailer: Mailer | None = None) -> None:
        self.site, self.writer = Site.from_settings(settings), MailWriter(settings, vault)
        self.mailer = mailer or open_mailer(settings.smtp_url, self.writer.address, settings.data_dir / MAIL_FOLDER)

    async def send(self, db: Database, piece: ClaimedDelivery) -> Outcome:
        """Send a letter, unless its subscription has ended or its content is no longer public.

        Temporary failures (4xx, RFC 5321 §4.2.1) and connection errors are retried. Permanent refusals are dead, and
        a refused recipient (5xx) is suppressed.
        """
        content = cast(Content, piece.content)
        page = self.writer.settings.editor_page
        letter = await db.scan_fresh(find_letter, piece.what, piece.endpoint, content, self.site, page)
        if letter is None:
            return Outcome("cancelled")
        site_name = await db.read(find_name, self.writer.settings.site_name)
        try:
            answer = await self.mailer.send(self.writer.write(piece.event, letter, site_name), letter.to)
        except MailRefused as refused:
            answer_text = refused.answer
            if refused.is_final:
                bounced = refused.is_bounce
                return Outcome("dead", refused.code, str(refused), answer_text, disable=bounced, at_fault=False)
            return Outcome(
                "retry", refused.code or None, str(refused), answer_text, at_fault=refused.stage != "recipient"
            )
        except OSError as error:
            return Outcome("retry", error=redact(f"{type(error).__name__}: {error}"))
        return Outcome("delivered", 250, answer=redact(answer))

    def disabled(self, session: Session, endpoint: str, why: str) -> None:  # noqa: ARG002  its own reason is enough
        """Send nothing more to an address that its server refuses."""
        who = find_subscriber(session, endpoint)
        if who is not None:
            suppress_address(session, who["address"], "bounce")

    async def stop(self) -> None:
        """Close outgoing connections."""
        await self.mailer.stop()
