"""Writing letters from templates, and handing them to the mail server."""

from collections.abc import Sequence
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from unicodedata import category
from urllib.parse import urlsplit, urlunsplit

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, select_autoescape
from sqlmodel import Session

from app.articles.addresses.schemas import Site
from app.deliveries.schemas import Claimed, Outcome
from app.identity.secrets.actions import Vault
from app.kit.clock import now
from app.kit.db import Database
from app.kit.logs import hide
from app.kit.mail import WIRE, Mailer, MailRefused, ascii_domain, open_mailer
from app.kit.settings import Settings
from app.notifications.mail.queries import letter
from app.notifications.schemas import CHANNEL, Letter
from app.subscriptions.opt_ins.actions import confirm_token
from app.subscriptions.queries import subscriber
from app.subscriptions.suppressions.actions import suppress
from app.subscriptions.unsubscribing.queries import token_for, token_for_all, token_for_digest

TEMPLATES: Final = ("opt_in", "comment", "article", "correction", "digest")
LONGEST: Final = 200  # characters of a subject
_JOINERS: Final = "\u200c\u200d"


def environment(folder: Path | None) -> Environment:
    """The templates, those of the publication before ours. Each must be readable, or nothing starts."""
    own = [FileSystemLoader(folder)] if folder is not None else []
    found = Environment(
        loader=ChoiceLoader([*own, PackageLoader("app.notifications")]),
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
        self.site, self.writer = Site.of(settings), Writer(settings, vault)
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
