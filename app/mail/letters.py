"""What letters say: read at the moment of sending, so that nothing goes out that readers may no longer see."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from unicodedata import category
from urllib.parse import quote, urlsplit, urlunsplit

import sqlalchemy as sa
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, select_autoescape
from sqlmodel import Session

from app.articles.reading import ARTICLE, SECTION
from app.articles.site import Site
from app.comments.reading import C
from app.core.clock import now
from app.core.logs import hide
from app.core.settings import Settings
from app.db import Database
from app.db.columns import Row
from app.deliveries.schemas import Claimed, Outcome
from app.identity.secrets import Vault
from app.mail.digests import MOST, items
from app.mail.notifications import find_correction, is_readable
from app.mail.schemas import CHANNEL, Letter
from app.net.smtp import WIRE, Mailer, MailRefused, ascii_domain, open_mailer
from app.subscriptions.opt_ins import confirm_token, waiting
from app.subscriptions.subscriptions import by_ids, subscriber, targets
from app.subscriptions.suppressions import of as suppression_of
from app.subscriptions.suppressions import suppress
from app.subscriptions.unsubscribing import token_for, token_for_all, token_for_digest
from app.text.inputs import excerpt
from app.text.names import public_name, without_turns

_COLUMNS = [ARTICLE.c[name] for name in "id slug title dek excerpt published_at corrections".split()]
_ARTICLE = sa.select(*_COLUMNS, SECTION.c.slug.label("section")).outerjoin(
    SECTION, SECTION.c.id == ARTICLE.c.section_id
)
_COMMENT = sa.select(*(C.c[name] for name in "id article_id parent_id author_name text created_at".split()))
_PARTS = {"article.published": "articles", "article.corrected": "corrections", "comment.published": "comments"}
Content = Mapping[str, Any]


def letter(connection: sa.Connection, what: str, subscriber_id: str, content: Content, site: Site) -> Letter | None:
    """The letter of a delivery, or None if it should not be sent any more."""
    who = subscriber(connection, subscriber_id)
    if who is None or suppression_of(connection, who["email"]):
        return None
    if what == "opt_in":
        return _opt_in(connection, who, content, site)
    if what == "digest":
        return _digest(connection, who, content, site)
    live = _live(connection, content["subscriptions"])
    told = _told(connection, what, content, site) if live else None
    if told is None:
        return None
    head: dict[str, Any] = {"to": who["email"], "subscriber_id": who["id"], "subscriptions": tuple(live.values())}
    article_id = told["article"]["id"]
    thread = [f"article.published:{article_id}"]
    if what == "comment.published":
        if told["comment"]["parent_id"]:
            thread.append(f"comment.published:{told['comment']['parent_id']}")
        told["is_reply"] = any(row["kind"] == "comments.replies_to_me" for row in live.values())
        head |= {"template": "comment", "list_id": f"comments.{article_id}", "thread": tuple(thread)}
    elif what == "article.corrected":
        head |= {"template": "correction", "list_id": f"article.{article_id}", "thread": tuple(thread)}
    else:
        head |= {"template": "article", "list_id": "articles"}
    return Letter(values=told, **head)


def _live(connection: sa.Connection, ids: Collection[str]) -> dict[str, Row]:
    """Those of the subscriptions that still hold."""
    return {row["id"]: row for row in by_ids(connection, list(ids))}


def _articles(connection: sa.Connection, ids: Collection[str], site: Site) -> dict[str, dict[str, Any]]:
    """What letters say of articles that readers see."""
    rows = connection.execute(_ARTICLE.where(ARTICLE.c.id.in_(ids), ARTICLE.c.public)).mappings()
    return {row["id"]: _shown(row, site) for row in rows}


def _shown(row: Row, site: Site) -> dict[str, Any]:
    url = site.url + quote(site.path_of(row["section"], row["slug"], row["published_at"]))
    return {**row, "summary": row["dek"] or row["excerpt"], "url": url}


def _comments(connection: sa.Connection, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What letters say of comments that stand."""
    rows = connection.execute(_COMMENT.where(C.c.id.in_(ids), C.c.state == "published")).mappings()
    found = {}
    for row in rows:
        said = {"name": public_name(row["author_name"]), "excerpt": without_turns(excerpt(row["text"], 280))}
        found[row["id"]] = {**row, **said}
    return found


def _told(connection: sa.Connection, what: str, content: Content, site: Site) -> dict[str, Any] | None:
    """The values of a letter about one thing."""
    comment = None
    if what == "comment.published":
        comment = _comments(connection, [content["comment"]]).get(content["comment"])
        if comment is None or not is_readable(connection, comment["article_id"]):
            return None
    article_id = comment["article_id"] if comment else content["article"]
    article = _articles(connection, [article_id], site).get(article_id)
    if article is None or _is_withdrawn(article, content):
        return None
    return _values(article, comment, content)


def _is_withdrawn(article: dict[str, Any], content: Content) -> bool:
    """Whether this is about a correction that was taken back."""
    is_correction = "correction" in content or "correction_n" in content
    return is_correction and find_correction(article["corrections"], content) is None


def _values(article: dict[str, Any], comment: dict[str, Any] | None, content: Content) -> dict[str, Any]:
    values: dict[str, Any] = {"article": article}
    if comment is not None:
        values["comment"] = {**comment, "url": f"{article['url']}#comment-{comment['id']}"}
    if "correction" in content or "correction_n" in content:
        values["correction"] = find_correction(article["corrections"], content)
    return values


def _digest(connection: sa.Connection, who: Row, content: Content, site: Site) -> Letter | None:
    """A digest of what still stands and is still subscribed to; None where nothing is left."""
    found = items(connection, who["id"], content["period"])
    live = _live(connection, {one for item in found for one in item["content"]["subscriptions"]})
    found = [item for item in found if any(one in live for one in item["content"]["subscriptions"])]
    comments = _comments(connection, [item["content"]["comment"] for item in found if "comment" in item["content"]])
    ids = {one["article_id"] for one in comments.values()}
    ids |= {item["content"]["article"] for item in found if "article" in item["content"]}
    articles = _articles(connection, ids, site)
    open_ones = {one for one in articles if is_readable(connection, one)}
    entries: dict[str, list[dict[str, Any]]] = {what: [] for what in _PARTS}
    for item in found:
        comment = comments.get(item["content"].get("comment", ""))
        article = articles.get(comment["article_id"] if comment else item["content"].get("article", ""))
        is_hidden = comment is not None and (article is None or article["id"] not in open_ones)
        if article is None or is_hidden or _is_withdrawn(article, item["content"]):
            continue
        if "comment" not in item["content"] or comment:
            entries[item["what"]].append(_values(article, comment, item["content"]))
    number = sum(len(some) for some in entries.values())
    if not number:
        return None
    frequency = content["period"].partition(":")[0]
    values = {"frequency": frequency, "number": number, "more": max(0, number - MOST), **_cut(entries)}
    return Letter(who["email"], who["id"], "digest", values, f"digest.{frequency}", digest=frequency)


def _cut(entries: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """As many as a letter holds, by what they are; comments stand together by article."""
    entries["comment.published"].sort(key=lambda one: (one["article"]["title"], one["article"]["id"]))
    left, out = MOST, {}
    for what, name in _PARTS.items():
        out[name] = entries[what][:left]
        left -= len(out[name])
    return out


def _opt_in(connection: sa.Connection, who: Row, content: Content, site: Site) -> Letter | None:
    """The letter that asks whether somebody meant it. It says nothing that whoever asked could have written."""
    row = waiting(connection, content["opt_in"])
    if row is None:
        return None
    target = targets(connection, [row["target"]])[row["target"]]
    if target["type"] != "site" and target["name"] is None:
        return None  # readers see it no more
    values: dict[str, Any] = {
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
        told = _told(connection, "comment.published", {"comment": row["comment_id"]}, site)
        if told is None:
            return None
        values["link"] = told["comment"]["url"]
    return Letter(who["email"], who["id"], "opt_in", values, "subscriptions")


TEMPLATES: Final = ("opt_in", "comment", "article", "correction", "digest")
LONGEST: Final = 200  # characters of a subject
_JOINERS: Final = "\u200c\u200d"


def environment(folder: Path | None) -> Environment:
    """The templates, those of the publication before ours. Each must be readable, or nothing starts."""
    own = [FileSystemLoader(folder)] if folder is not None else []
    found = Environment(
        loader=ChoiceLoader([*own, PackageLoader("app.mail")]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in TEMPLATES:
        for part in ("subject.txt", "txt", "html"):
            found.get_template(f"{name}.{part}")
    return found


def _with_token(url: str, token: str) -> str:
    """A page's address with the token in its query, before any fragment."""
    parts = urlsplit(url)
    query = f"{parts.query}&token={token}" if parts.query else f"token={token}"
    return urlunsplit(parts._replace(query=query))


class Writer:
    """Makes mails of letters."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self.settings, self.vault = settings, vault
        self.templates = environment(settings.templates_dir)
        self.name, self.address = settings.sender
        self.address = ascii_domain(self.address)
        self.domain = self.address.rpartition("@")[2]

    def message_id(self, event: str, subscriber_id: str) -> str:
        """The same for the same event and reader: who gets a mail twice can tell (RFC 5322 §3.6.4)."""
        body = sha256(f"{self.settings.site_url}|{event}|{subscriber_id}".encode()).hexdigest()[:40]
        return f"<{body}@{self.domain}>"

    def write(self, event: str, what: Letter) -> EmailMessage:
        """The mail, as text and as HTML."""
        values = self._values(what)
        message = EmailMessage(policy=WIRE)
        message["From"] = Address(self.name.replace("=?", "= ?"), addr_spec=self.address)
        message["To"] = _recipient(what.to)
        message["Subject"] = self._subject(what.template, values)
        message["Date"] = format_datetime(now())
        message["Message-ID"] = self.message_id(event, what.subscriber_id)
        if what.thread:
            ids = [self.message_id(one, what.subscriber_id) for one in what.thread]
            message["In-Reply-To"], message["References"] = ids[-1], " ".join(ids)
        host = ascii_domain(f"x@{urlsplit(self.settings.site_url).hostname}")[2:]
        message["List-Id"] = f"<{what.list_id}.{host}>"
        message["List-Unsubscribe"] = f"<{values['unsubscribe_url']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message["Auto-Submitted"] = "auto-generated"
        for part, subtype in (("txt", "plain"), ("html", "html")):
            text = self.templates.get_template(f"{what.template}.{part}").render(values)
            add = message.set_content if subtype == "plain" else message.add_alternative
            add(text, subtype=subtype, cte="quoted-printable")
        return message

    def _subject(self, template: str, values: dict[str, Any]) -> str:
        """One line, whatever is in it."""
        text = self.templates.get_template(f"{template}.subject.txt").render(values)
        line = " ".join("".join(map(_plain, text)).split())
        line = line.replace("=?", "= ?")  # or the library reads an encoded word, line breaks and all, out of a title
        return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"

    def _values(self, what: Letter) -> dict[str, Any]:
        site = {"name": self.settings.site_name, "url": self.settings.site_url}
        return {
            **what.values,
            "site": site,
            "unsubscribe_url": self._unsubscribe(what),
            "unsubscribe_all_url": self._link(token_for_all(self.vault, what.to)),
            "confirm_link": self._confirm(what),
        }

    def _link(self, token: str) -> str:
        return f"{self.settings.api}/v1/unsubscribe/{token}"

    def _unsubscribe(self, what: Letter) -> str:
        if what.digest is not None:
            return self._link(token_for_digest(self.vault, what.to, what.digest))
        if what.subscriptions:
            return self._link(token_for(self.vault, what.to, what.subscriptions))
        return self._link(token_for_all(self.vault, what.to))

    def _confirm(self, what: Letter) -> str | None:
        if what.template != "opt_in":
            return None
        page = what.values["confirm_url"] or self.settings.site_url + self.settings.confirm_path
        return _with_token(page, confirm_token(self.vault, what.values["opt_in"]))


def _plain(char: str) -> str:
    """A character as it may stand in a line. What turns its direction goes; what joins letters and emoji stays."""
    if char.isprintable() or char in _JOINERS:
        return char
    return "" if category(char) == "Cf" else " "


def _recipient(address: str) -> Address:
    local, _, domain = ascii_domain(address).rpartition("@")
    return Address(username=local, domain=domain)


class MailChannel:
    """The channel `mail`: an endpoint is a subscriber, and what they are told is looked up when it is sent."""

    name = CHANNEL
    schedule: Sequence[float] = (30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 86400)
    timeout = 90.0
    patience: timedelta | None = None

    def __init__(self, settings: Settings, vault: Vault, mailer: Mailer | None = None) -> None:
        self.site, self.writer = Site.from_settings(settings), Writer(settings, vault)
        self.mailer = mailer or open_mailer(settings.smtp_url, self.writer.address, settings.data_dir / "mail")

    async def send(self, db: Database, piece: Claimed) -> Outcome:
        """Send a letter, unless its subscription has ended or readers no longer see what it tells of.

        A server's temporary no (4xx, RFC 5321 §4.2.1) and its absence are tried again; what it refuses for good is
        dead, and an address that is no mailbox (5xx for the recipient) gets nothing more.
        """
        found = await db.fresh(letter, piece.what, piece.endpoint, piece.content, self.site)
        if found is None:
            return Outcome("cancelled")
        try:
            answer = await self.mailer.send(self.writer.write(piece.event, found), found.to)
        except MailRefused as refused:
            said = refused.answer
            if refused.is_final:
                bounced = refused.is_bounce
                return Outcome("dead", refused.code, str(refused), said, disable=bounced, at_fault=False)
            return Outcome("retry", refused.code or None, str(refused), said, at_fault=refused.stage != "recipient")
        except OSError as error:
            return Outcome("retry", error=hide(f"{type(error).__name__}: {error}"))
        return Outcome("delivered", 250, answer=hide(answer))

    def disabled(self, session: Session, endpoint: str, why: str) -> None:  # noqa: ARG002  its own reason is enough
        """Send nothing more to an address that its server refuses."""
        who = subscriber(session, endpoint)
        if who is not None:
            suppress(session, who["address"], "bounce")

    async def stop(self) -> None:
        """Close the connections."""
        await self.mailer.stop()
