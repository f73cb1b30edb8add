"""Calls to other servers: where they never lead, and what they bear."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.network_addresses import Guard, is_public, unwrap_address
from app.core.settings import Settings
from app.net.outgoing import Answer, CallFailed, Outgoing, Resolve, TargetRefused, check_target, parse_target

# Every way to write an address of this machine or of a network behind it; PORT is where a server listens.
HOSTS = """
127.0.0.1 127.0.0.2 127.255.255.254 127.1 127.0.1 127.00.00.01 127.0.0.01 0127.0.0.1 0177.0.0.1 0177.0.0.01 0177.1
0177.00.00.01 00000177.1 0x7f.0.0.1 0x7f.1 0x7f.0x0.0x0.0x1 0X7F.0.0.1 0x7f000001 0x7F000001 0x000000007f000001
2130706433 02130706433 017700000001 00017700000001 0x7f.0.1 127.0x1 127.0.0x01 127.0.0.1. 127.1. 2130706433. 127.0.0.1.. 0
0. 0.0 0.0.0.0 00 0x0 0x 000.000.000.000 0.0.0.0. 0.1 1 256 4294967295 4294967296 -1 127.0.0.256 127.0.0.1.1
127.0.0 127. .127.0.0.1 10.0.0.1 10.1 012.0.0.1 0xa.0.0.1 167772161 100.64.0.1 100.127.255.254 100.100.100.200
168.63.129.16 169.254.169.254 169.254.1 0251.0376.0251.0376 0xA9FEA9FE 2852039166 169.254.43518 172.16.0.1
172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.10 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1
192.168.1 192.175.48.1 0300.0250.0.1 3232235521 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255
[::] [::1] [0:0:0:0:0:0:0:1] [0000::0001] [::0001] [::127.0.0.1] [::7f00:1] [::ffff:127.0.0.1] [::FFFF:127.0.0.1]
[::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:1] [::ffff:0:127.0.0.1] [::ffff:10.0.0.1] [::ffff:169.254.169.254]
[::ffff:192.168.0.1] [::ffff:0.0.0.0] [::ffff:224.0.0.1] [::10.0.0.1] [::8.8.8.8] [64:ff9b::127.0.0.1]
[64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::127.0.0.1] [64:ff9b:1::808:808]
[64:ff9b:1:ffff::1] [2002:7f00:1::] [2002:7f00:0001::1] [2002:a00:1::] [2002:c0a8:1::1] [2002:a9fe:a9fe::]
[2002:808:808::1] [2001::1] [2001:0:7f00:1::] [2001:0:4136:e378:8000:63bf:80ff:fffe] [2001:10::1] [2001:20::1]
[2001:1ff::1] [2001:db8::1] [3fff::1] [fc00::1] [fd00:ec2::254] [fd12:3456:789a::1] [fe80::1] [fe80::1%lo] [fe80::1%25lo]
[fec0::1] [ff02::1] [ff05::2] [ff0e::1] [100::1] [5f00::1] [2620:4f:8000::1] [2a00:1450::5efe:127.0.0.1]
[2a00:1450::200:5efe:10.0.0.1] [::1%lo] [::1]] [[::1] [::1 ::1] [127.0.0.1] [localhost] [::ffff:2130706433] [v1.x]
localhost LOCALHOST localhost. LocalHost. foo.localhost foo.localhost. ｌｏｃａｌｈｏｓｔ ⓛⓞⓒⓐⓛⓗⓞⓢⓣ
１２７.０.０.１ ①②⑦.⓪.⓪.① 127。0。0。1 127．0．0．1 127｡0｡0｡1 １２７。１ 𝟏𝟐𝟕.𝟎.𝟎.𝟏 0×7f.1 %31%32%37.0.0.1 127%2e0%2e0%2e1
127.0.0.1%00 127.0.0.1%23 localhost%00.example.com 127.0.0.1\\t -a.example a-.example a..example
""".split()  # noqa: E501
WHOLE = """
http://user@127.0.0.1:PORT/ http://user:pass@127.0.0.1:PORT/ http://example.com@127.0.0.1:PORT/
http://127.0.0.1:PORT@example.com/ http://example.com:80@127.0.0.1:PORT/ http://:@127.0.0.1:PORT/ http://@127.0.0.1:PORT/
http://example.com%40127.0.0.1:PORT/ http://127.0.0.1:PORT\\@example.com/ http://example.com\\@127.0.0.1:PORT/
http:\\\\127.0.0.1:PORT\\ http:/127.0.0.1:PORT/ http:127.0.0.1:PORT/ http:///127.0.0.1:PORT/ //127.0.0.1:PORT/ 127.0.0.1:PORT
https://127.0.0.1:PORT/ HTTP://127.0.0.1:PORT/ hTTp://LOCALHOST:PORT/ ftp://127.0.0.1:PORT/ file:///etc/passwd
gopher://127.0.0.1:PORT/_x dict://127.0.0.1:PORT/ ws://127.0.0.1:PORT/ unix:///var/run/x.sock javascript:alert(1)
data:text/plain,x http+unix://%2Fvar%2Frun%2Fx/ jar:http://127.0.0.1:PORT/!/ http://127.0.0.1:0PORT/ http://127.0.0.1:+PORT/
http://127.0.0.1:PORT#@example.com/ http://127.0.0.1:PORT?@example.com/ http://127.0.0.1:PORT/../@example.com
http://127.0.0.1:٣ http://127.0.0.1:0/ http://127.0.0.1:99999/ http://127.0.0.1:-1/ http:// https:// http://:PORT/
http://[/ http://] http://[]:PORT/
""".split()  # noqa: E501
ODD = [
    " http://127.0.0.1:PORT/",
    "http://127.0.0.1:PORT/ ",
    "http://127.0.0.1 :PORT/",
    "http://exa mple.com/",
    "http://127.0.0.1:PORT/\r\nX-Evil: 1",
    "http://example.com\r\nHost: 127.0.0.1/",
    "ht\ntp://127.0.0.1:PORT/",
    "http://\x00127.0.0.1:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://\u200b127.0.0.1:PORT/",
    "http://127.0.0.1\u00ad:PORT/",
    "http://localhost\u3002:PORT/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 127 + "example/",
    "http://example.com/" + "a" * 8192,
]
URLS = [f"http://{host}:PORT/" for host in HOSTS] + WHOLE + ODD
ANSWERS = [host.strip("[]") for host in HOSTS if host.startswith("[::") and host.endswith("]") and host.count("[") == 1]


class Server:
    """Something that listens, and counts who comes."""

    def __init__(self, answer: str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") -> None:
        self.answer, self.heads = answer, list[str]()
        self.connections = 0
        self.port = 0
        self.silent = False
        self._served: list[asyncio.Task[None]] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._served.append(asyncio.ensure_future(self._answer(reader, writer)))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                if self.silent:
                    await reader.read()
                writer.write(self.answer.encode("latin-1"))
                await writer.drain()
                if "Connection: close" in self.answer or "Content-Length" not in self.answer:
                    break

    @contextlib.asynccontextmanager
    async def listening(self, host: str = "127.0.0.1", port: int = 0) -> Any:
        server = await asyncio.start_server(self._serve, host, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._served:
                task.cancel()
            await asyncio.gather(*self._served, return_exceptions=True)


def names(**known: list[str]) -> Resolve:
    """A resolver that knows these names, `_` for a dot."""

    async def resolve(host: str, _port: int) -> list[str]:
        return known[host.replace(".", "_")]

    return resolve


def run(story: Callable[[Server], Awaitable[None]], server: Server | None = None, host: str = "127.0.0.1") -> Server:
    canary = server or Server()

    async def tell() -> None:
        async with canary.listening(host):
            await story(canary)

    asyncio.run(tell())
    return canary


def get(url: str, guard: Guard | None, **more: Any) -> Any:
    async def ask() -> Answer:
        outgoing = Outgoing(guard, **({"resolve": more.pop("resolve")} if "resolve" in more else {}))
        try:
            return await outgoing.call("GET", url, **{"timeout": 5.0, **more})
        finally:
            await outgoing.stop()

    return ask()


def test_there_are_enough_forms() -> None:
    assert len(set(URLS)) >= 230


@pytest.mark.parametrize("family", ["127.0.0.1", "::1"])
def test_no_form_of_an_internal_address_is_connected_to(family: str) -> None:
    """By the machine's own resolver, which understands every form that the C library does."""
    passed = []

    async def story(canary: Server) -> None:
        for url in URLS:
            try:
                await get(url.replace("PORT", str(canary.port)), Guard(), timeout=2.0)
                passed.append(url)
            except TargetRefused:
                continue

    assert run(story, host=family).connections == 0
    assert passed == []


def test_the_canary_sings_when_it_is_reached() -> None:
    async def story(canary: Server) -> None:
        for guard in (None, Guard(["127.0.0.0/8"])):
            assert (await get(f"http://127.0.0.1:{canary.port}/", guard)).body == b"ok"
            assert (await get(f"http://localhost:{canary.port}/", guard, resolve=names(localhost=["127.0.0.1"]))).body

    assert run(story).connections == 4


@pytest.mark.parametrize(
    "address", [*ANSWERS, "127.0.0.1", "10.0.0.1", "169.254.169.254", "fe80::1%lo", "nonsense", ""]
)
def test_no_name_leads_to_an_internal_address(address: str) -> None:
    async def story(canary: Server) -> None:
        for answers in ([address], ["93.184.215.14", address], [address, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]):
            with pytest.raises(TargetRefused):
                await get(f"http://bad.example:{canary.port}/", Guard(), resolve=names(bad_example=answers))

    assert run(story).connections == 0


def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    """The name says something else each time it is asked for: to the check, and to whoever would ask again."""
    asked = []

    async def rebinding(_host: str, _port: int) -> list[str]:
        asked.append(1)
        return ["127.0.0.2" if len(asked) == 1 else "127.0.0.1"]

    async def story(canary: Server) -> None:
        good = Server("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood")
        async with good.listening("127.0.0.2", canary.port):
            outgoing = Outgoing(Guard(["127.0.0.2"]), resolve=rebinding)
            url = f"http://re.example:{canary.port}/"
            assert (await outgoing.call("GET", url, timeout=5.0)).body == b"good"
            assert f"Host: re.example:{canary.port}\r\n" in good.heads[0]
            with pytest.raises(TargetRefused):
                await outgoing.call("GET", url, timeout=5.0)
            with pytest.raises(TargetRefused):
                await get(url, Guard(["127.0.0.2"]), resolve=names(re_example=["127.0.0.2", "127.0.0.1"]))
            await outgoing.stop()
            assert good.connections == 1

    assert run(story).connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_answers(status: str) -> None:
    async def story(canary: Server) -> None:
        head = (
            f"HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:{canary.port}/\r\nRefresh: 0\r\nContent-Length: 0\r\n\r\n"
        )
        async with Server(head).listening("127.0.0.2") as sender:
            answer = await get(f"http://127.0.0.2:{sender.port}/", Guard(["127.0.0.2"]))
            assert answer.status == int(status[:3])

    assert run(story).connections == 0


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(canary: Server) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        async with Server().listening("127.0.0.2") as other:
            assert (await get(f"http://127.0.0.2:{other.port}/", Guard(["127.0.0.2"]))).body == b"ok"

    assert run(story).connections == 0


def test_what_is_sent() -> None:
    async def story(server: Server) -> None:
        url = f"http://127.0.0.1:{server.port}/a%20b/ü?q=ä&x='y'"
        outgoing = Outgoing(None)
        for _ in range(2):
            await outgoing.call("POST", url, timeout=5.0, headers=[("X-Own", "1")], content=b"")
        await outgoing.stop()

    server = run(story)
    assert server.connections == 1, "it stays open for the next"
    first, *headers = server.heads[0].strip().split("\r\n")
    assert first == "POST /a%20b/%C3%BC?q=%C3%A4&x='y' HTTP/1.1"
    assert {"User-Agent: Broadsheet", "X-Own: 1", "Content-Length: 0", "Accept-Encoding: identity"} <= set(headers)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + "x" * 20, "too large"),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", "coding"),
        ("HTTP/1.1 200 OK\r\nX: " + "x" * 200_000, "ProtocolError"),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "ProtocolError"),
    ],
)
def test_an_answer_that_cannot_be_used(answer: str, why: str) -> None:
    async def story(server: Server) -> None:
        with pytest.raises(CallFailed, match=why):
            await get(f"http://127.0.0.1:{server.port}/", None, max_bytes=10)

    run(story, Server(answer))


def test_the_beginning_of_a_large_answer_will_do_where_it_is_only_shown() -> None:
    async def story(server: Server) -> None:
        answer = await get(f"http://127.0.0.1:{server.port}/", None, max_bytes=10, truncate=True)
        assert (answer.status, answer.body) == (500, b"x" * 10)

    run(story, Server("HTTP/1.1 500 Oh\r\n\r\n" + "x" * 100_000))


def test_who_does_not_answer_is_not_waited_for() -> None:
    async def story(server: Server) -> None:
        server.silent = True
        with pytest.raises(CallFailed, match=r"in time|ReadTimeout"):
            await get(f"http://127.0.0.1:{server.port}/", None, timeout=0.05)

        async def never(_host: str, _port: int) -> list[str]:
            await asyncio.Event().wait()
            return []

        with pytest.raises(CallFailed, match=r"in time|ConnectTimeout"):
            await get("http://slow.example/", Guard(), timeout=0.05, resolve=never)

    run(story)


def test_what_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        with pytest.raises(CallFailed, match="ConnectError"):
            asyncio.run(get(url, None))

    async def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(CallFailed, match="not known"):
        asyncio.run(get("http://no.example/", Guard(), resolve=unknown))
    with pytest.raises(CallFailed, match="no address"):
        asyncio.run(get("http://no.example/", Guard(), resolve=names(no_example=[])))


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.example/a?b=c#d", "hooks.example", None, "/a?b=c"),
        ("HTTPS://Hooks.Example.:8443", "hooks.example", 8443, "/"),
        ("http://bücher.example/", "xn--bcher-kva.example", None, "/"),
        ("http://8.8.8.8:80/", "8.8.8.8", 80, "/"),
        ("http://[2A00:1450:4001:0::200e]/", "2a00:1450:4001::200e", None, "/"),
        ("https://a_b.example/%7euser/%2F", "a_b.example", None, "/%7euser/%2F"),
    ],
)
def test_good_urls(url: str, host: str, port: int | None, path: str) -> None:
    found = parse_target(url)
    assert (found.host, found.port, found.path) == (host, port, path)
    check_target(url, Guard())


def test_what_an_operator_allows() -> None:
    guard = Guard(["10.0.0.0/8", "fd00::/8", "192.168.1.7"])
    for address in ("10.9.9.9", "fd00::1", "192.168.1.7", "::ffff:10.0.0.1", "8.8.8.8"):
        assert guard.admits(address)
    for address in ("192.168.1.8", "127.0.0.1", "fe80::1", "2002:a00:1::"):
        assert not guard.admits(address)
    made = Settings(_env_file=None, outgoing_allow="10.0.0.0/8, ::1")
    assert made.outgoing_allow == ["10.0.0.0/8", "::1"]
    with pytest.raises(ValidationError):
        Settings(_env_file=None, outgoing_allow="example.com")


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "100.63.255.255", "223.255.255.254"])
def test_public_addresses_stay_public_behind_nat64(address: str) -> None:
    bare = IPv4Address(address)
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        wrapped = IPv6Address(prefix | int(bare))
        assert unwrap_address(wrapped) == bare
        assert is_public(wrapped)


@given(st.integers(0, 2**32 - 1))
def test_a_wrapped_address_is_never_more_public_than_what_is_in_it(number: int) -> None:
    bare = IPv4Address(number)
    for prefix in (0xFFFF << 32, 0x64FF9B << 96, 0, 0x64FF9B0001 << 80, 0x2A001450 << 96 | 0x5EFE << 32):
        assert not is_public(IPv6Address(prefix | number)) or is_public(bare)
    assert not is_public(IPv6Address(0x2002 << 112 | number << 80))
    assert bare.is_global or not is_public(bare)


@pytest.fixture(autouse=True)
def _no_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not a number must not be asked for outside: only names of this machine are resolved."""
    real = socket.getaddrinfo

    def local(host: Any, *args: Any, **more: Any) -> Any:
        if str(host).endswith(("example", "example.com")):
            raise AssertionError(f"{host} was asked for")
        return real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", local)
