"""Handing mail over to a real server on the loopback, and into a maildir."""

import asyncio
import ipaddress
import mailbox as maildirs
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.net.smtp import WIRE_POLICY, MaildirMailer, MailRefused, Server, SmtpMailer, ascii_domain
from tests.mail.post import Mailbox, serving

SENDER = "desk@site.example"


def message(to: str = "ann@mail.example", subject: str = "Grüße", text: str = "Ærlig talt.\n.dot\n") -> EmailMessage:
    mail = EmailMessage(policy=WIRE_POLICY)
    local, _, domain = to.rpartition("@")
    mail["From"], mail["To"], mail["Subject"] = SENDER, Address(username=local, domain=domain), subject
    mail["List-Unsubscribe"] = f"<https://api.example/v1/unsubscribe/bu_{'0123456789abcdef' * 12}>"
    mail.set_content(text, cte="quoted-printable")
    return mail


def sent(mailer: SmtpMailer, *mails: tuple[EmailMessage, str]) -> list[Any]:
    """What became of mails that were sent one after the other: the answer, or what was raised."""

    async def run() -> list[Any]:
        found: list[Any] = []
        for mail, to in mails:
            try:
                found.append(await mailer.send(mail, to))
            except (MailRefused, OSError) as error:
                found.append(error)
        await mailer.stop()
        return found

    return asyncio.run(run())


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of the loopback shows, and a client that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    moment = datetime.now(UTC)
    own = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(own, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.fixture
def address(mailbox: Mailbox) -> Iterator[str]:
    with serving(mailbox) as port:
        yield f"smtp://127.0.0.1:{port}"


def test_several_mails_go_by_one_connection(mailbox: Mailbox, address: str) -> None:
    answers = sent(SmtpMailer(address, SENDER), *[(message(), "ann@mail.example")] * 3)
    assert answers == ["taken"] * 3
    assert mailbox.sessions == 1
    (first, *_) = mailbox.mails
    assert (first["Subject"], first.get_content()) == ("Grüße", "Ærlig talt.\r\n.dot\r\n")
    assert all(byte < 128 for byte in mailbox.raw[0]), "any server can take it"
    assert b"\r\nList-Unsubscribe: <https://api.example/v1/unsubscribe/bu_" in b"\r\n" + mailbox.raw[0]


def test_many_at_once_share_a_few_connections(mailbox: Mailbox, address: str) -> None:
    async def run() -> None:
        mailer = SmtpMailer(address, SENDER)
        await asyncio.gather(*(mailer.send(message(), "ann@mail.example") for _ in range(40)))
        await mailer.stop()

    asyncio.run(run())
    assert (len(mailbox.mails), 1 <= mailbox.sessions <= 8) == (40, True)


def test_a_kept_connection_that_died_is_replaced(mailbox: Mailbox) -> None:
    async def run() -> None:
        with serving(mailbox, timeout=0.05) as port:
            mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER)
            await mailer.send(message(), "ann@mail.example")
            kept = mailer._idle[0][0]
            async with asyncio.timeout(30):
                while kept.is_connected:  # until the server has had enough of waiting
                    await asyncio.sleep(0.01)
            await mailer.send(message(), "ann@mail.example")
            await mailer.stop()

    asyncio.run(run())
    assert (len(mailbox.mails), mailbox.sessions) == (2, 2)


@pytest.mark.parametrize(
    ("reply", "is_final", "is_bounce"),
    [
        ("450 4.2.0 greylisted", False, False),
        ("550 5.1.1 <ann@mail.example> unknown", True, True),
        ("550 no such user", True, True),
        ("552 5.2.2 mailbox full for good", True, True),
        ("554 5.7.1 relay access denied", True, False),
        ("550 5.4.1 no route to ann@mail.example", True, False),
    ],
)
def test_what_a_refusal_means(mailbox: Mailbox, address: str, reply: str, is_final: bool, is_bounce: bool) -> None:
    mailbox.refuse["ann@mail.example"] = reply
    (refused, answer) = sent(
        SmtpMailer(address, SENDER), (message(), "ann@mail.example"), (message("bo@mail.example"), "bo@mail.example")
    )
    assert (refused.stage, refused.code) == ("recipient", int(reply[:3]))
    assert (refused.is_final, refused.is_bounce) == (is_final, is_bounce)
    assert "ann@" not in refused.answer + str(refused), "addresses are not kept"
    assert (answer, mailbox.sessions) == ("taken", 1), "the connection goes on"


def test_refused_content_is_no_bounce(mailbox: Mailbox, address: str) -> None:
    mailbox.content = "554 5.6.0 not like this"
    (refused,) = sent(SmtpMailer(address, SENDER), (message(), "ann@mail.example"))
    assert (refused.stage, refused.is_final, refused.is_bounce) == ("content", True, False)


def test_a_server_that_is_away_is_an_os_error() -> None:
    (error,) = sent(SmtpMailer("smtp://127.0.0.1:1", SENDER), (message(), "ann@mail.example"))
    assert isinstance(error, OSError)


def test_tls_from_the_first_byte_and_by_starttls(
    mailbox: Mailbox, certificate: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    told: list[bytes] = []  # passwords that were taken

    def authenticator(_server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        if login.password == b"se cret":
            told.append(login.password)
        return AuthResult(success=login.password == b"se cret", handled=False)

    server, trusting = certificate
    options = {"tls_context": server, "authenticator": authenticator, "auth_require_tls": True}
    with serving(mailbox, **options) as port:
        url = f"smtp://me:se%20cret@127.0.0.1:{port}"
        assert sent(SmtpMailer(url, SENDER, context=trusting), (message(), "ann@mail.example")) == ["taken"]
        (refused,) = sent(
            SmtpMailer(url.replace("se%20cret", "wrong"), SENDER, context=trusting), (message(), "ann@mail.example")
        )
        assert (refused.stage, refused.is_final) == ("connect", False), "an operator can put that right"
        (doubted,) = sent(SmtpMailer(url, SENDER), (message(), "ann@mail.example"))
        assert isinstance(doubted, OSError), "who it is cannot be told"
    assert told.count(b"se cret") == 1
    with serving(mailbox, ssl=server) as port:
        url = f"smtps://127.0.0.1:{port}"
        assert sent(SmtpMailer(url, SENDER, context=trusting), (message(), "ann@mail.example")) == ["taken"]


def test_a_password_is_never_sent_in_clear(mailbox: Mailbox) -> None:
    told: list[Any] = []

    def authenticator(*login: Any) -> AuthResult:
        told.append(login)
        return AuthResult(success=True)

    with serving(mailbox, authenticator=authenticator, auth_exclude_mechanism=[]) as port:
        (refused,) = sent(SmtpMailer(f"smtp://me:secret@127.0.0.1:{port}", SENDER), (message(), "ann@mail.example"))
    assert (refused.stage, told, mailbox.mails) == ("connect", [], [])


def test_addresses_beyond_ascii(mailbox: Mailbox) -> None:
    assert ascii_domain("ann@zürich.example") == "ann@xn--zrich-kva.example"
    with pytest.raises(MailRefused, match="no ASCII form"):
        ascii_domain("ann@\u2014.example")
    with pytest.raises(MailRefused, match="encoded word"):
        ascii_domain("=?utf-8?q?=0D=0ABcc=3A_bo?=@mail.example")
    with serving(mailbox) as port:
        (refused, answer) = sent(
            SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER),
            (message("zoë@mail.example"), "zoë@mail.example"),
            (message("ann@xn--zrich-kva.example"), "ann@zürich.example"),
        )
        assert (refused.code, refused.is_final, refused.is_bounce, answer) == (553, True, False, "taken")
    with serving(mailbox, enable_SMTPUTF8=True) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER)
        assert sent(mailer, (message("zoë@mail.example"), "zoë@mail.example")) == ["taken"]
    assert "zoë@mail.example" in mailbox.raw[-1].decode()


def test_into_a_maildir(tmp_path: Path) -> None:
    mailer = MaildirMailer(tmp_path / "data" / "mail")
    for _ in range(2):
        asyncio.run(mailer.send(message(), "ann@mail.example"))
    kept = maildirs.Maildir(tmp_path / "data" / "mail")
    assert [mail["To"] for mail in kept] == ["ann@mail.example"] * 2
    assert len(list((tmp_path / "data" / "mail" / "new").iterdir())) == 2


def test_urls() -> None:
    assert Server.from_url("smtp://mail.example") == Server("mail.example", 25, False, "", "")
    assert Server.from_url("smtps://u%40x:p%3A@mail.example:99") == Server("mail.example", 99, True, "u@x", "p:")
    assert Server.from_url("smtps://mail.example").port == 465
