"""Sending mail by SMTP (RFC 5321) over reused connections, or into a maildir where there is no server."""

import asyncio
import mailbox
import re
import ssl
import time
from contextlib import suppress
from email import policy
from email.header import Header
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.parser import HeaderParser
from email.policy import EmailPolicy
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import idna
from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from app.core.files import make_folder
from app.core.logs import redact

MAX_CONNECTIONS: Final = 8  # open at once to one server
IDLE_SECONDS: Final = 30.0  # seconds that a connection is kept for the next mail
ANSWER_SECONDS: Final = 20.0  # seconds that a server may take for one answer
MAIL_FOLDER: Final = "mail"  # in the data folder: mails of a server without SMTP
Stage = Literal["connect", "sender", "recipient", "content"]


class WirePolicy(EmailPolicy):
    """Encodes names and subjects beyond ASCII by `email.header`, and folds no other header.

    Folding by `EmailPolicy` changes such headers: of random subjects it drops or repeats words in one of ten (Python
    3.11 to 3.13). It also encodes a long link in an ASCII header, where no receiver decodes it.
    """

    def fold(self, name: str, value: str) -> str:
        text, rest = "", ""
        if isinstance(value, AddressHeader) and name.lower() == "from" and value.addresses:
            text, rest = value.addresses[0].display_name, f" <{value.addresses[0].addr_spec}>"
        elif name.lower() == "subject":
            text = str(value)
        if text.isascii():
            return str(policy.SMTP.clone(linesep=self.linesep, max_line_length=998, utf8=self.utf8).fold(name, value))
        lines = [Header(text, "utf-8", 76, name).encode(linesep=self.linesep), *([rest] if rest else [])]
        return f"{name}: {self.linesep.join(lines)}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii")


WIRE_POLICY: Final = WirePolicy(linesep="\r\n", max_line_length=76)
"""The form in which mail is sent to servers."""
_ENHANCED = re.compile(r"\s*(\d\.\d{1,3}\.\d{1,3})\b")


class Server(NamedTuple):
    """The address of a mail server, and the credentials for it."""

    host: str
    port: int
    tls: bool  # from the first byte; else STARTTLS where it is offered
    user: str
    password: str

    @classmethod
    def from_url(cls, url: str) -> "Server":
        """Parse `smtp://user:password@host:port` or `smtps://…`; the port defaults to 25 or 465."""
        parts = urlsplit(url)
        tls = parts.scheme == "smtps"
        port = parts.port or (465 if tls else 25)
        return cls(parts.hostname or "", port, tls, unquote(parts.username or ""), unquote(parts.password or ""))


class MailRefused(Exception):
    """The server refused a mail. `code` is the SMTP reply code, 0 without one; addresses are removed from `answer`."""

    def __init__(self, stage: Stage, code: int, answer: str) -> None:
        super().__init__(f"{stage}: {code} {redact(answer)}")
        self.stage, self.code, self.answer = stage, code, redact(answer)

    @property
    def is_final(self) -> bool:
        """Whether a retry is pointless (RFC 5321 §4.2.1). The operator can fix the connection and the sender."""
        return self.stage in ("recipient", "content") and 500 <= self.code < 600

    @property
    def is_bounce(self) -> bool:
        """Whether the mailbox takes no mail; refusals because of a policy (RFC 3463 X.7) or of routing do not count."""
        status = _ENHANCED.match(self.answer)
        return self.is_final and self.stage == "recipient" and (status is None or status[1][2:4] in ("1.", "2."))


class Mailer(Protocol):
    """A way to send mail."""

    async def send(self, message: EmailMessage, to: str) -> str:
        """Send a mail to one recipient and return the server's answer; raise MailRefused or OSError if it fails."""

    async def stop(self) -> None:
        """Close open connections."""


def ascii_domain(address: str) -> str:
    """Return an address with its domain in ASCII (RFC 5891); MailRefused if it has no such form.

    A local part that looks like an encoded word is refused, because the email library would decode it.
    """
    local, _, domain = address.rpartition("@")
    if "=?" in local:
        raise MailRefused("recipient", 553, "5.1.3 The address is an encoded word")
    try:
        return f"{local}@{domain if domain.isascii() else idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        raise MailRefused("recipient", 553, "5.1.2 The domain has no ASCII form") from None


class SmtpMailer:
    """Sends mail by SMTP. A password is sent over TLS only."""

    def __init__(self, url: str, sender: str, *, context: ssl.SSLContext | None = None) -> None:
        self.server, self.sender = Server.from_url(url), ascii_domain(sender)
        self._given_context = context
        self._idle: list[tuple[SMTP, float]] = []
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """The TLS context, made for the first connection: reading the certificates takes 20 ms."""
        return self._given_context or ssl.create_default_context()

    async def send(self, message: EmailMessage, to: str) -> str:
        to = ascii_domain(to)
        is_ascii = (to + self.sender).isascii()
        content = message.as_bytes(policy=WIRE_POLICY.clone(utf8=not is_ascii))
        async with self._slots:
            smtp = await self._take_connection()
            try:
                options = [] if is_ascii else ["SMTPUTF8"]
                answer = (await smtp.sendmail(self.sender, [to], content, mail_options=options))[1]
            except SMTPException as error:  # the library has reset the conversation, or closed the connection
                self._return_connection(smtp)
                raise _translate(error) from None
            except BaseException:  # cancelled midway: the state of the conversation is unknown
                _abort(smtp)
                raise
            self._return_connection(smtp)
            return answer

    async def _take_connection(self) -> SMTP:
        """Return a connection that still works: one that is kept, or a new one."""
        while self._idle:
            smtp, since = self._idle.pop()
            try:
                if time.monotonic() - since < IDLE_SECONDS:
                    await smtp.noop()
                    return smtp
            except (SMTPException, OSError):
                _abort(smtp)
            except BaseException:
                _abort(smtp)
                raise
            else:
                await _quit(smtp)
        return await self._connect()

    async def _connect(self) -> SMTP:
        server = self.server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,  # else STARTTLS where the server offers it
            tls_context=self._context,
            timeout=ANSWER_SECONDS,
            local_hostname=self.sender.rpartition("@")[2],
        )
        try:
            await smtp.connect()
            if server.user:
                if not smtp.get_transport_info("sslcontext"):
                    raise MailRefused("connect", 0, "The server offers no TLS: the password is not sent")
                await smtp.login(server.user, server.password)
        except BaseException as error:
            _abort(smtp)
            if isinstance(error, SMTPResponseException):
                raise MailRefused("connect", error.code, error.message) from None
            if isinstance(error, SMTPException):
                raise ConnectionError(redact(str(error))) from None
            raise
        return smtp

    def _return_connection(self, smtp: SMTP) -> None:
        if smtp.is_connected:
            self._idle.append((smtp, time.monotonic()))

    async def stop(self) -> None:
        while self._idle:
            await _quit(self._idle.pop()[0])
        await asyncio.sleep(0)  # lets the event loop close the transports


def _translate(error: SMTPException) -> Exception:
    """Return what a mailer raises for an error of the library."""
    match error:
        case SMTPNotSupported():
            return MailRefused("content", 553, "5.6.7 The server takes no addresses beyond ASCII")
        case SMTPRecipientsRefused(recipients=[refused, *_]):
            return MailRefused("recipient", refused.code, refused.message)
        case SMTPSenderRefused():
            return MailRefused("sender", error.code, error.message)
        case SMTPResponseException():
            return MailRefused("content", error.code, error.message)
    return ConnectionError(redact(str(error)))


def _abort(smtp: SMTP) -> None:
    """Close a connection at once, without the closing handshake of TLS."""
    if isinstance(smtp.transport, asyncio.WriteTransport):
        smtp.transport.abort()
    smtp.close()


async def _quit(smtp: SMTP) -> None:
    """Say goodbye to the server, then close the connection."""
    with suppress(SMTPException, OSError):
        await smtp.execute_command(b"QUIT", timeout=1)
    _abort(smtp)


class MaildirMailer:
    """Writes mail into a maildir, one file each: for trying out a server without SMTP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, message: EmailMessage, to: str) -> str:
        wire = WIRE_POLICY.clone(linesep="\n", utf8=not to.isascii())
        await asyncio.to_thread(self._add, message.as_bytes(policy=wire))
        return "stored"

    def _add(self, content: bytes) -> None:
        make_folder(self.folder.parent)
        mailbox.Maildir(self.folder, create=True).add(content)  # syncs the file to disk

    async def stop(self) -> None:
        return


async def delete_stored_mails(folder: Path, to: str) -> None:
    """Delete the mails to an address that were written into a maildir."""
    await asyncio.to_thread(_delete_mails, folder, to)


def _delete_mails(folder: Path, to: str) -> None:
    if not folder.is_dir():
        return
    maildir, parser = mailbox.Maildir(folder, create=False), HeaderParser(policy=policy.default)
    for key in maildir.keys():  # noqa: SIM118  iterating gives the mails themselves
        try:
            receiver = parser.parsestr(maildir.get_bytes(key).decode("utf-8", "replace"))["To"]
        except (FileNotFoundError, KeyError):  # another process has taken it
            continue
        if receiver is not None and any(_is_same(each.addr_spec, to) for each in receiver.addresses):
            maildir.discard(key)


def _is_same(address: str, other: str) -> bool:
    try:
        return ascii_domain(address).lower() == ascii_domain(other).lower()
    except MailRefused:  # neither was ever sent a mail
        return False


def open_mailer(smtp_url: str, sender: str, folder: Path) -> Mailer:
    """Return the mailer for an SMTP URL; without one, mail is written into the folder."""
    return SmtpMailer(smtp_url, sender) if smtp_url else MaildirMailer(folder)
