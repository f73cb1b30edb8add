"""Readers of the publication's site: which JWTs are believed, and what of them."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from app.core.problems import Unauthorized
from app.core.settings import Settings
from app.identity.jwks import JwksCache
from app.identity.readers import MAX_TOKEN_LENGTH, ReaderKeysUnavailable, Readers
from app.identity.schemas import Actor
from app.main import create_app
from app.net.cached_document import Fetch
from app.web.rate_limits import Limiter
from tests.make import ok
from tests.services import replace_services

pytestmark = pytest.mark.portable

SECRET = "a secret that the site and this server share"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
SIGNERS = {"RS256": (RSA, "rsa"), "PS256": (RSA, "rsa"), "ES256": (EC, "ec"), "EdDSA": (ED, "ed")}


@pytest.fixture(scope="module", autouse=True)
def _at_that_time() -> Iterator[None]:
    """Parameters are reckoned from the moment when they were made, however late their turn comes."""
    with time_machine.travel(NOW):
        yield


def published(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """A key as the site publishes it."""
    kind = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
    name = next((alg for type_, alg in kind.items() if isinstance(key, type_)), "EdDSA")
    found = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
    found.pop("key_ops", None)
    return {**found, **({"kid": kid} if kid else {}), **more}


KEYS = [published(RSA, "rsa"), published(EC, "ec"), published(ED, "ed")]


def settings(**about: Any) -> Settings:
    return Settings(_env_file=None, **about)


def answering(body: bytes) -> Fetch:
    """What reads this body, wherever it is sent to."""

    async def fetch(_: str) -> tuple[bytes, str]:
        return body, ""

    return fetch


def fixed(*keys: dict[str, Any]) -> JwksCache:
    """A key set that is always there."""
    body = json.dumps({"keys": keys}).encode()
    return JwksCache("https://site.example/keys", ReaderKeysUnavailable, answering(body))


def claims(**more: Any) -> dict[str, Any]:
    found = {"sub": "ann", "exp": int(datetime.now(UTC).timestamp()) + 600, **more}
    return {name: value for name, value in found.items() if value is not None}


def signed(algorithm: str = "RS256", key: Any = None, kid: str | None = "", **more: Any) -> str:
    default, name = SIGNERS.get(algorithm, (SECRET, None))
    headers = {"kid": name if kid == "" else kid} if name and kid is not None else None
    return jwt.encode(claims(**more), key or default, algorithm, headers=headers)


def known(token: str, readers: Readers | None = None) -> Actor:
    return asyncio.run((readers or Readers(settings(), fixed(*KEYS))).identify(token))


def refused(token: str, readers: Readers | None = None) -> bool:
    try:
        known(token, readers)
    except Unauthorized as error:
        return error.detail == "The JWT is invalid."
    return False


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_what_the_site_signed_is_believed(algorithm: str) -> None:
    actor = known(signed(algorithm, iss="https://site.example", name=" Ann ", email="Ann@B.example"))
    assert (actor.kind, actor.id, actor.name, actor.scopes) == ("reader", None, "Ann", frozenset())
    assert actor.reader is not None
    assert actor.reader.subject == "https://site.example|ann"
    assert (actor.reader.email, actor.reader.verified, actor.reader.author) == ("ann@b.example", False, None)
    assert not any(actor.may(scope) for scope in ("admin", "content:read", "comments:moderate"))


def test_the_site_may_share_a_secret_instead() -> None:
    readers = Readers(settings(reader_secret=SECRET))
    assert known(signed("HS256"), readers).kind == "reader"
    assert refused(signed("HS256", key="another secret that nobody here has heard of"), readers)
    assert refused(signed("RS256"), readers)
    assert refused(signed("HS256"))  # and without one no secret is right
    assert refused(signed("HS256", key="x" * 64), Readers(settings()))


@pytest.mark.parametrize(("more", "shown"), [({"email_verified": True}, True), ({"email_verified": "true"}, False)])
def test_only_true_is_verified(more: dict[str, Any], shown: bool) -> None:
    reader = known(signed(email="a@b.example", **more)).reader
    assert reader is not None
    assert reader.verified is shown


def test_nothing_is_verified_without_an_email() -> None:
    for email in (None, "nobody", 7, "a" * 320 + "@b.example", "a@b\x00.example"):
        reader = known(signed(email=email, email_verified=True)).reader
        assert reader is not None
        assert (reader.email, reader.verified) == (None, False)


def test_claims_that_cannot_be_used_are_left_out() -> None:
    reader = known(signed(name="\u200b", author="No Slug", email=["a@b.example"])).reader
    assert reader is not None
    assert (reader.name, reader.author, reader.email) == (None, None, None)
    reader = known(signed(name="x" * 201, author="ann-marlow")).reader
    assert reader is not None
    assert (reader.name, reader.author) == (None, "ann-marlow")


NOW = int(datetime.now(UTC).timestamp())


@pytest.mark.parametrize(
    "more",
    [
        {"exp": None},
        {"exp": NOW - 120},
        {"exp": "soon"},
        {"nbf": NOW + 120},
        {"iat": "yesterday"},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "a\x00b"},
        {"sub": "\ud800"},
        {"iss": "x" * 301},
        {"iss": "a\x00b"},
    ],
)
def test_a_token_without_a_sound_subject_or_time_is_refused(more: dict[str, Any]) -> None:
    assert refused(signed(**more))


def test_clocks_may_differ_by_a_minute() -> None:
    assert known(signed(exp=NOW - 30, nbf=NOW + 30)).kind == "reader"


def test_a_subject_must_be_text() -> None:
    for subject in (7, ["ann"], True):
        body = base64.urlsafe_b64encode(json.dumps(claims(sub=subject)).encode()).rstrip(b"=")
        head = base64.urlsafe_b64encode(b'{"alg":"EdDSA","kid":"ed"}').rstrip(b"=")
        mark = base64.urlsafe_b64encode(ED.sign(head + b"." + body)).rstrip(b"=")
        assert refused(b".".join((head, body, mark)).decode())


def test_issuer_and_audience_must_be_right_where_they_are_set() -> None:
    readers = Readers(settings(reader_issuer="https://site.example", reader_audience="talk"), fixed(*KEYS))
    right = {"iss": "https://site.example", "aud": ["talk", "shop"]}
    assert known(signed(**right), readers).kind == "reader"
    for wrong in ({"iss": "https://evil.example"}, {"iss": None}, {"aud": "shop"}, {"aud": None}):
        assert refused(signed(**{**right, **wrong}), readers)
    assert known(signed(aud="anything")).kind == "reader"


def test_a_token_cannot_choose_what_it_is_checked_with() -> None:
    pem = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
    mark = base64.urlsafe_b64encode(jwt.get_algorithm_by_name("HS256").sign(head + b"." + body, pem)).rstrip(b"=")
    forged = b".".join((head, body, mark)).decode()
    both = Readers(settings(reader_secret=SECRET), fixed(*KEYS))
    for readers in (None, both):
        assert refused(forged, readers)
        assert refused(jwt.encode(claims(), None, "none"), readers)
        assert refused(signed("RS256", key=OTHER), readers)
        assert refused(signed("RS256", kid="ec"), readers)
        assert refused(jwt.encode(claims(), RSA, "RS512", headers={"kid": "rsa"}), readers)
    assert known(signed("HS256"), both).kind == known(signed("RS256"), both).kind == "reader"


@pytest.mark.parametrize("header", [{"kid": 7}, {"kid": "rsa", "crit": ["x"], "x": 1}, {"kid": "rsa", "b64": False}])
def test_headers_that_mean_something_else_are_refused(header: dict[str, Any]) -> None:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", **header}).encode()).rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims()).encode()).rstrip(b"=")
    mark = jwt.get_algorithm_by_name("RS256").sign(head + b"." + body, RSA)
    assert refused(b".".join((head, body, base64.urlsafe_b64encode(mark).rstrip(b"="))).decode())


@pytest.mark.parametrize(
    "token",
    [
        "a.b.c",
        "..",
        "e30.e30.e30",
        "ä.b.c",
        f"{'A' * MAX_TOKEN_LENGTH}.e30.e30",
        "eyJhbGciOltdfQ.e30.e30",
        "W10.e30.e30",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token)


PARTS = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "sub", "exp", "iss", "jwk", "jku", "x5u"]),
    st.sampled_from([*SIGNERS, "HS256", "none", "rsa", "ec", 7, None, True, [], {}, 1e300]) | st.text(max_size=9),
)


@given(PARTS, PARTS | st.lists(st.text(max_size=3), max_size=2), st.binary(max_size=80))
def test_whatever_strangers_make_is_refused(header: Any, body: Any, mark: bytes) -> None:
    parts = [json.dumps(header).encode(), json.dumps(body).encode(), mark]
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    assert refused(token, Readers(settings(reader_secret=SECRET), fixed(*KEYS)))


def test_a_changed_token_is_refused() -> None:
    head, body, mark = signed().split(".")
    other = signed(sub="bob").split(".")[1]
    assert refused(f"{head}.{other}.{mark}")
    assert refused(f"{head}.{body}.{mark[:-8]}AAAAAAAA")
    assert refused(f"{head}.{body}.")


def test_a_key_without_an_id_serves_while_it_is_the_only_one() -> None:
    assert known(signed(kid=None), Readers(settings(), fixed(published(RSA, None)))).kind == "reader"
    assert known(signed(kid=None), Readers(settings(), fixed(published(RSA, "a"), published(EC, "b")))).kind == "reader"
    assert refused(signed(kid=None), Readers(settings(), fixed(published(RSA, "a"), published(OTHER, "b"))))
    assert refused(signed(kid="rsa"), Readers(settings(), fixed(published(RSA, None))))


@pytest.mark.filterwarnings("ignore:.*key:Warning")
def test_keys_that_are_not_for_this_are_left_out() -> None:
    for entry in (
        published(RSA, "rsa", use="enc"),
        published(RSA, "rsa", key_ops=["encrypt"]),
        published(RSA, "rsa", alg="PS256"),
        {"kty": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode(), "kid": "rsa"},
        {"kty": "RSA", "kid": "rsa"},
        {"kty": "RSA", "kid": "rsa", "n": 7, "e": "AQAB"},
    ):
        assert refused(signed(), Readers(settings(), fixed(entry)))
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert refused(signed(key=short), Readers(settings(), fixed(published(short, "rsa"))))
    curve = ec.generate_private_key(ec.SECP384R1())
    entry = jwt.get_algorithm_by_name("ES384").to_jwk(curve.public_key(), as_dict=True)
    assert refused(signed("ES256"), Readers(settings(), fixed({**entry, "kid": "ec"})))


@pytest.fixture
def reading(settings: Settings) -> Iterator[Callable[..., TestClient]]:
    """Start the app with settings for readers."""
    opened: list[TestClient] = []

    def start(**about: Any) -> TestClient:
        app = create_app(settings.model_copy(update=about), with_worker=False)
        client = TestClient(app, raise_server_exceptions=False)
        opened.append(client.__enter__())
        return client

    yield start
    for client in opened:
        client.__exit__(None, None, None)


def test_a_reader_calls(reading: Callable[..., TestClient]) -> None:
    client = reading(reader_secret=SecretStr(SECRET))
    headers = {"Authorization": f"Bearer {signed('HS256', name='Ann')}"}
    seen = ok(client.get("/v1/whoami", headers=headers))
    nothing = {"scopes": [], "sections": None, "person": None, "grants": [], "needs_second_factor": False}
    assert seen == {"kind": "reader", "id": None, "name": "Ann", **nothing}
    assert client.get("/v1/keys", headers=headers).status_code == 403
    token = signed("HS256", exp=NOW - 600, sub="canary")
    answer = client.get("/v1/whoami", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "canary" not in answer.text
    assert token not in answer.text
    replace_services(client.app, limiter=Limiter("reader=1/minute"))
    for expected in (200, 429):
        assert client.get("/v1/whoami", headers=headers).status_code == expected
    other = {"Authorization": f"Bearer {signed('HS256', sub='bob')}"}
    assert client.get("/v1/whoami", headers=other).status_code == 200


def test_without_settings_no_jwt_is_believed(client: TestClient) -> None:
    for algorithm in ("HS256", "RS256"):
        answer = client.get("/v1/whoami", headers={"Authorization": f"Bearer {signed(algorithm)}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_keys_that_cannot_be_read_are_a_503_for_readers_alone(reading: Callable[..., TestClient]) -> None:
    client = reading(reader_jwks_url="http://127.0.0.1:9/keys")  # nobody listens there
    answer = client.get("/v1/whoami", headers={"Authorization": f"Bearer {signed()}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "reader_keys_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/v1/whoami").status_code == 200
    guest = ok(client.post("/v1/guests"), 201)["guest_token"]
    assert client.get("/v1/whoami", headers={"Authorization": f"Bearer {guest}"}).status_code == 200
    replace_services(client.app, limiter=Limiter("read=1/minute"))
    codes = [client.get("/v1/whoami", headers={"Authorization": f"Bearer {signed()}"}).status_code for _ in range(2)]
    assert codes == [503, 429]
