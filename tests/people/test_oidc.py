"""OpenID Connect: which answers of a provider prove who signs in, and what a bad provider can do."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.core.network_addresses import Guard
from app.core.sign_in_providers import SignInProvider
from app.net import cached_document
from app.people import oidc
from app.people.oidc import (
    JWKS_REFRESH_SECONDS,
    MAX_SIGN_INS,
    Identity,
    ProviderClient,
    ProviderFailed,
    ProviderUnavailable,
    SignInRefused,
    parse_metadata,
)
from tests.people.provider import REDIRECT_URI, Provider, Reply, make_reply, make_signing_key

T = TypeVar("T")
VERIFIER, NONCE = "v" * 64, "n" * 64


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


class Browser:
    """A browser that signs in through a client, at a time that tests set."""

    def __init__(self, provider: Provider, **settings: Any) -> None:
        self.provider, self.clock, self.nonce, self.verifier = provider, 0.0, NONCE, VERIFIER
        self.redirect_uri = REDIRECT_URI
        config = SignInProvider.model_validate(provider.settings(**settings))
        self.client = ProviderClient(config, Guard([]), clock=lambda: self.clock)

    async def begin(self) -> dict[str, str]:
        url = await self.client.make_authorization_url(REDIRECT_URI, state="s", nonce=NONCE, verifier=VERIFIER)
        return self.provider.consent(url)

    async def finish(self, response: dict[str, str]) -> Identity:
        await self.client.check_issuer(response.get("iss"))
        return await self.client.redeem(response["code"], self.redirect_uri, nonce=self.nonce, verifier=self.verifier)

    async def sign_in(self) -> Identity:
        return await self.finish(await self.begin())

    def run(self, story: Callable[[], Awaitable[T]]) -> T:
        async def whole() -> T:
            try:
                return await story()
            finally:
                await self.client.stop()

        return asyncio.run(whole())


def test_a_code_becomes_an_identity(provider: Provider) -> None:
    provider.user["groups"] = ["desk", "sport", 7]
    browser = Browser(provider, groups_claim="groups", scopes=["openid", "email", "groups"])

    async def story() -> None:
        url = await browser.client.make_authorization_url(REDIRECT_URI, state="s&=", nonce=NONCE, verifier=VERIFIER)
        asked = dict(parse_qsl(urlsplit(url).query))
        assert (asked["state"], asked["nonce"], asked["scope"]) == ("s&=", NONCE, "openid email groups")
        assert VERIFIER not in url
        identity = await browser.finish(provider.consent(url))
        assert identity == Identity(
            provider.issuer, "ann", "Ann Marlow", "ann@example.org", True, frozenset({"desk", "sport"})
        )

    browser.run(story)
    assert provider.requests == {"/.well-known/openid-configuration": 1, "/jwks": 1, "/token": 1}


@pytest.mark.parametrize(
    ("methods", "secret"),
    [
        (["client_secret_basic"], "a:b/ü +"),
        (["client_secret_post"], "a:b/ü +"),
        (["none"], ""),
    ],
)
def test_the_client_authenticates_as_the_provider_asks(provider: Provider, methods: list[str], secret: str) -> None:
    provider.auth_methods, provider.client_secret = methods, secret
    browser = Browser(provider)
    assert browser.run(browser.sign_in).subject == "ann"
    assert ("client_secret" in provider.seen[0]) is (methods == ["client_secret_post"])


def sign_with_public_key(provider: Provider) -> Callable[[dict[str, Any]], str]:
    """Sign with the public key as a shared secret, as an attacker may who only knows that."""
    pem = make_signing_key("RS256").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)

    def sign(claims: dict[str, Any]) -> str:
        head, body, _ = jwt.encode(claims, "x" * 32, "HS256", headers={"kid": "first"}).split(".")
        signature = signer.sign(f"{head}.{body}".encode(), pem)
        return f"{head}.{body}.{oidc._base64url(signature)}"

    return sign


def tamper(sign: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    def signed(claims: dict[str, Any]) -> str:
        head, _, signature = sign(claims).split(".")
        return f"{head}.{oidc._base64url(json.dumps({**claims, 'sub': 'eve'}).encode())}.{signature}"

    return signed


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "issuer": {"iss": "https://other.example"},
    "issuer with a slash": {"iss": "http://127.0.0.1/"},
    "no issuer": {"iss": None},
    "audience": {"aud": "another-client"},
    "no audience": {"aud": None},
    "audiences without azp": {"aud": ["broadsheet", "another-client"]},
    "azp": {"azp": "another-client"},
    "audiences with another azp": {"aud": ["broadsheet", "another-client"], "azp": "another-client"},
    "nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "nonce of another type": {"nonce": 7},
    "expired": {"exp": time.time() - 10_000},
    "no expiry": {"exp": None},
    "expiry of another type": {"exp": "soon"},
    "endless": {"exp": float("inf")},
    "not yet valid": {"nbf": time.time() + 10_000},
    "issued in the future": {"iat": time.time() + 10_000},
    "no time of issue": {"iat": None},
    "hash of another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject of another type": {"sub": 7},
    "long subject": {"sub": "x" * 256},
    "subject with control characters": {"sub": "ann\n"},
}


def test_claims_that_are_not_of_this_sign_in_are_refused(provider: Provider) -> None:
    browser = Browser(provider)

    async def story() -> None:
        for case, claims in BAD_CLAIMS.items():
            provider.token = claims
            with pytest.raises(SignInRefused):
                raise AssertionError(case, await browser.sign_in())
        provider.token = {"aud": ["broadsheet", "another-client"], "azp": "broadsheet", "at_hash": None}
        assert (await browser.sign_in()).subject == "ann"

    browser.run(story)


def test_signatures_that_prove_nothing_are_refused(provider: Provider) -> None:
    browser = Browser(provider)
    own = provider.sign_properly
    signers: dict[str, Callable[[dict[str, Any]], str]] = {
        "none": lambda claims: jwt.encode(claims, None, "none", headers={"kid": "first"}),
        "HS256 with the public key": sign_with_public_key(provider),
        "HS256": lambda claims: jwt.encode(claims, provider.client_secret * 2, "HS256", headers={"kid": "first"}),
        "key": lambda claims: jwt.encode(claims, make_signing_key("RS256", 1), "RS256", headers={"kid": "first"}),
        "kid": lambda claims: jwt.encode(claims, make_signing_key("RS256"), "RS256", headers={"kid": "other"}),
        "tampered": tamper(own),
        "noise": lambda _: "a.b.c",
        "depth": lambda _: jwt.PyJWS().encode(b"[" * 40_000, make_signing_key("RS256"), "RS256", {"kid": "first"}),
    }

    async def story() -> None:
        for case, sign in signers.items():
            provider.sign = sign
            with pytest.raises(SignInRefused):
                raise AssertionError(case, await browser.sign_in())
        provider.sign = own
        assert (await browser.sign_in()).subject == "ann"

    browser.run(story)


def test_clocks_may_differ_by_a_minute(provider: Provider) -> None:
    browser = Browser(provider)

    async def story() -> None:
        for skew in (-59, 59):
            moment = int(time.time())
            provider.token = {"iat": moment + skew, "nbf": moment + skew, "exp": moment + skew + 1}
            assert (await browser.sign_in()).subject == "ann"

    with time_machine.travel(time.time(), tick=False):
        browser.run(story)


def test_codes_are_for_one_use_one_browser_and_one_address(provider: Provider) -> None:
    browser = Browser(provider)

    async def story() -> None:
        response = await browser.begin()
        await browser.finish(response)
        refusals: list[tuple[str, Any, dict[str, str]]] = [
            ("code", None, response),  # used
            ("code", None, {**response, "code": "another"}),
            ("verifier", "w" * 64, await browser.begin()),
            ("nonce", "m" * 64, await browser.begin()),
            ("redirect_uri", "https://desk.example/other", await browser.begin()),
        ]
        for name, value, refused in refusals:
            setattr(browser, name, value)
            with pytest.raises(SignInRefused):
                await browser.finish(refused)
            browser.nonce, browser.verifier, browser.redirect_uri = NONCE, VERIFIER, REDIRECT_URI
        late = await browser.begin()
        with time_machine.travel(time.time() + 61), pytest.raises(SignInRefused):
            await browser.finish(late)

    browser.run(story)


def test_new_keys_are_fetched_but_not_for_every_unknown_one(provider: Provider) -> None:
    browser = Browser(provider)

    async def story() -> None:
        await browser.sign_in()
        provider.rotate("next", "ES256")
        browser.clock += JWKS_REFRESH_SECONDS
        assert (await browser.sign_in()).subject == "ann"
        assert provider.requests["/jwks"] == 2
        provider.sign = lambda claims: jwt.encode(
            claims, make_signing_key("ES256", 9), "ES256", headers={"kid": f"unknown {time.monotonic()}"}
        )
        browser.clock += JWKS_REFRESH_SECONDS
        for _ in range(20):
            with pytest.raises(SignInRefused):
                await browser.sign_in()
        assert provider.requests["/jwks"] == 3

    browser.run(story)


def test_a_response_of_another_issuer_is_refused(provider: Provider) -> None:
    """A browser that was sent to one provider comes back from another, with a code of that one."""
    browser = Browser(provider)

    async def story() -> None:
        response = await browser.begin()
        for issuer in ("https://honest.example", f"{provider.issuer}/", "", None):
            with pytest.raises(SignInRefused):
                await browser.client.check_issuer(issuer)
        assert (await browser.finish(response)).subject == "ann"
        assert provider.requests["/token"] == 1

    browser.run(story)
    provider.metadata = {"authorization_response_iss_parameter_supported": None}
    older = Browser(provider)

    async def without() -> None:
        await older.client.check_issuer(None)
        with pytest.raises(SignInRefused):
            await older.client.check_issuer("https://honest.example")

    older.run(without)


def test_userinfo_completes_the_id_token(provider: Provider) -> None:
    provider.token = {"email": None, "email_verified": True}
    provider.user |= {"email_verified": False, "groups": "desk"}
    browser = Browser(provider, groups_claim="groups")
    identity = browser.run(browser.sign_in)
    assert (identity.email, identity.email_verified, identity.groups) == ("ann@example.org", False, {"desk"})
    provider.userinfo = {"sub": "eve", "email": "eve@example.org", "email_verified": True}
    again = Browser(provider)
    with pytest.raises(SignInRefused):
        again.run(again.sign_in)


def test_discovery_documents_of_others_and_with_unsafe_endpoints_are_refused(provider: Provider) -> None:
    for metadata in (
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"jwks_uri": "http://169.254.169.254/keys"},
        {"token_endpoint": "http://example.org/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": 7},
    ):
        provider.metadata = metadata
        provider.requests.clear()
        browser = Browser(provider)

        async def story(browser: Browser = browser) -> None:
            for _ in range(3):
                with pytest.raises(ProviderUnavailable):
                    await browser.begin()

        browser.run(story)
        assert provider.requests == {"/.well-known/openid-configuration": 1}  # not again for every caller


def test_endpoints_of_a_public_provider_are_not_on_this_machine() -> None:
    document = {
        "issuer": "https://id.example",
        "authorization_endpoint": "https://id.example/authorize",
        "token_endpoint": "https://id.example/token",
        "jwks_uri": "https://id.example/keys",
    }
    assert not parse_metadata(json.dumps(document).encode(), "https://id.example").names_issuer
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        for url in ("https://127.0.0.1/x", "http://localhost/x"):
            with pytest.raises(ValueError, match=name):
                parse_metadata(json.dumps({**document, name: url}).encode(), "https://id.example")


def test_endpoints_on_private_addresses_are_called_only_on_the_issuer_s_host(provider: Provider) -> None:
    with Provider() as other:
        provider.metadata = {"token_endpoint": f"{other.issuer}/token"}
        browser = Browser(provider)
        with pytest.raises(ProviderUnavailable):
            browser.run(browser.sign_in)
        assert not other.requests


def reply_with(status: int, body: bytes, kind: str = "application/json") -> Callable[[], Reply]:
    return lambda: (status, {"Content-Type": kind}, body)


BAD_TOKEN_REPLIES: list[tuple[Callable[[], Reply], type[Exception]]] = [
    (reply_with(500, b"{}"), ProviderUnavailable),
    (reply_with(429, b"{}"), ProviderUnavailable),
    (reply_with(200, b"x" * 300_000), ProviderUnavailable),
    (reply_with(200, b"<!doctype html><p>Hello", "text/html"), ProviderFailed),
    (reply_with(200, b"[]"), ProviderFailed),
    (reply_with(200, b"{}"), ProviderFailed),
    (reply_with(200, b'{"id_token": 7}'), ProviderFailed),
    (reply_with(200, b"[" * 100_000), ProviderFailed),
    (reply_with(302, b"{}"), ProviderFailed),
    (lambda: make_reply({"error": "invalid_client"}, 401), ProviderFailed),
    (lambda: make_reply({"error": "unauthorized_client"}, 400), ProviderFailed),
]


def test_answers_that_are_no_tokens(provider: Provider) -> None:
    browser = Browser(provider)

    async def story() -> None:
        for reply, problem in BAD_TOKEN_REPLIES:
            provider.replies["/token"] = reply
            with pytest.raises(problem):
                raise AssertionError(reply(), await browser.sign_in())

    browser.run(story)


def test_documents_that_cannot_be_used(provider: Provider) -> None:
    for path in ("/.well-known/openid-configuration", "/jwks"):
        for reply in (reply_with(200, b"<html>"), reply_with(404, b"{}"), reply_with(200, b"x" * 300_000)):
            provider.replies = {path: reply}
            browser = Browser(provider)
            with pytest.raises(ProviderUnavailable):
                browser.run(browser.sign_in)


def test_slow_and_missing_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def hang() -> Reply:
        answer.wait()
        return make_reply({})

    with Provider() as provider:
        browser = Browser(provider)
        browser.run(browser.sign_in)  # before the time is short
        monkeypatch.setattr(cached_document, "FETCH_TIMEOUT_SECONDS", 0.02)
        monkeypatch.setattr(oidc, "CALL_TIMEOUT_SECONDS", 0.02)
        try:
            for path in ("/.well-known/openid-configuration", "/jwks", "/token"):
                provider.replies = {path: hang}
                late = Browser(provider)
                with pytest.raises(ProviderUnavailable):
                    late.run(late.sign_in)
        finally:
            answer.set()
    away = Browser(provider)  # nobody listens at its port any more
    with pytest.raises(ProviderUnavailable):
        away.run(away.begin)


def test_one_slow_provider_does_not_hold_all_requests(provider: Provider) -> None:
    browser = Browser(provider)

    async def story() -> None:
        response = await browser.begin()
        browser.client._sign_ins = MAX_SIGN_INS
        with pytest.raises(ProviderUnavailable, match="wait"):
            await browser.finish(response)
        browser.client._sign_ins -= 1
        assert (await browser.finish(response)).subject == "ann"
        assert browser.client._sign_ins == MAX_SIGN_INS - 1

    browser.run(story)
