"""An OpenID provider on the loopback, which can misbehave.

`python -m tests.people.provider 9009` runs one to try sign-in by hand; a page to return to and the user's e-mail
address may follow.
"""

import base64
import hashlib
import json
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

REDIRECT_URI = "https://desk.example/signed-in"
CODE_SECONDS = 60
Reply = tuple[int, dict[str, str], bytes]


@cache
def make_signing_key(algorithm: str, number: int = 0) -> Any:
    """Make a key, or return that of this number."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def make_jwk(kid: str, algorithm: str, key: Any) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}


def half_hash(text: str) -> str:
    """Return the `at_hash` of an access token for algorithms with SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


def make_reply(document: object, status: int = 200) -> Reply:
    """Return an answer in JSON."""
    return status, {"Content-Type": "application/json", "Cache-Control": "no-store"}, json.dumps(document).encode()


class Grant(NamedTuple):
    """What a code stands for."""

    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    claims: dict[str, Any]
    expires_at: float


class Provider:
    """A provider with one signed-in user, who consents to everything."""

    def __init__(self, port: int = 0, client_id: str = "broadsheet", client_secret: str = "a shared / secret+") -> None:
        self.client_id, self.client_secret = client_id, client_secret
        self.redirect_uri = REDIRECT_URI
        self.user: dict[str, Any] = {
            "sub": "ann",
            "name": "Ann Marlow",
            "email": "ann@example.org",
            "email_verified": True,
        }
        self.keys: dict[str, tuple[str, Any]] = {
            "first": ("RS256", make_signing_key("RS256")),
            "elliptic": ("ES256", make_signing_key("ES256")),
        }
        self.signing_kid = "first"
        self.published: list[dict[str, Any]] | None = None  # in place of the keys
        self.auth_methods = ["client_secret_basic", "client_secret_post"]
        self.metadata: dict[str, Any] = {}  # changes of the discovery document; None removes
        self.token: dict[str, Any] = {}  # changes of the claims of the ID token; None removes
        self.userinfo: dict[str, Any] | None = None  # in place of the user's claims
        self.sign: Callable[[dict[str, Any]], str] = self.sign_properly
        self.replies: dict[str, Callable[[], Reply]] = {}  # by path, in place of those of a provider
        self.requests: Counter[str] = Counter()
        self.seen: list[dict[str, str]] = []  # forms that the token endpoint got
        self._grants: dict[str, Grant] = {}
        self._access_tokens: dict[str, dict[str, Any]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", port), _make_handler(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Provider":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return this provider as an element of the setting."""
        return {
            "id": "test",
            "name": "Test",
            "issuer": self.issuer,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "redirect_uris": [self.redirect_uri],
            **more,
        }

    def rotate(self, kid: str, algorithm: str = "RS256") -> None:
        """Sign with another key from now on, and publish that alone."""
        self.keys = {kid: (algorithm, make_signing_key(algorithm, len(kid)))}
        self.signing_kid = kid

    def consent(self, url: str) -> dict[str, str]:
        """Follow an authorization URL as a browser of the user does; return the parameters of the response."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{self.issuer}/authorize"
        status, headers, body = self.authorize(dict(parse_qsl(parts.query, strict_parsing=True)))
        assert status == 302, body
        return dict(parse_qsl(urlsplit(headers["Location"]).query))

    def answer(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer a request."""
        self.requests[path] += 1
        if path in self.replies:
            return self.replies[path]()
        if path == "/.well-known/openid-configuration":
            return make_reply(self.describe())
        if path == "/jwks":
            keys = [make_jwk(kid, algorithm, key) for kid, (algorithm, key) in self.keys.items()]
            return make_reply({"keys": keys if self.published is None else self.published})
        if path == "/authorize":
            return self.authorize(dict(parse_qsl(query)))
        if path == "/token":
            return self.exchange({name: values[0] for name, values in parse_qs(body.decode()).items()}, headers)
        if path == "/userinfo":
            claims = self._access_tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
            return make_reply(self.userinfo or claims) if claims else make_reply({"error": "invalid_token"}, 401)
        return make_reply({"error": "not_found"}, 404)

    def describe(self) -> dict[str, Any]:
        """Return the discovery document."""
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": self.auth_methods,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }
        return {name: value for name, value in document.items() if value is not None}

    def authorize(self, asked: dict[str, str]) -> Reply:
        """Answer at the authorization endpoint with a redirect."""
        if asked.get("client_id") != self.client_id or asked.get("redirect_uri") != self.redirect_uri:
            return make_reply({"error": "invalid_request"}, 400)
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return make_reply({"error": "invalid_scope"}, 400)
        if asked.get("code_challenge_method") != "S256" or len(asked.get("code_challenge", "")) != 43:
            return make_reply({"error": "invalid_request"}, 400)
        code = secrets.token_urlsafe(24)
        self._grants[code] = Grant(
            self.client_id,
            asked["redirect_uri"],
            asked["code_challenge"],
            asked.get("nonce"),
            dict(self.user),
            time.time() + CODE_SECONDS,
        )
        response = {"code": code, "state": asked.get("state", ""), "iss": self.issuer}
        return 302, {"Location": f"{asked['redirect_uri']}?{urlencode(response)}"}, b""

    def exchange(self, form: dict[str, str], headers: Mapping[str, str]) -> Reply:
        """Answer at the token endpoint."""
        self.seen.append(form)
        if not self._knows_client(form, headers.get("authorization", "")):
            return make_reply({"error": "invalid_client"}, 401)
        grant = self._grants.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            grant is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != grant.redirect_uri
            or challenge.rstrip(b"=").decode() != grant.challenge
            or time.time() > grant.expires_at
        ):
            return make_reply({"error": "invalid_grant"}, 400)
        access_token = secrets.token_urlsafe(24)
        self._access_tokens[access_token] = grant.claims
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": moment,
            "exp": moment + 300,
            "nonce": grant.nonce,
            "at_hash": half_hash(access_token),
            **grant.claims,
            **self.token,
        }
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return make_reply({"access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": token})

    def sign_properly(self, claims: dict[str, Any]) -> str:
        """Sign an ID token with the present key."""
        algorithm, key = self.keys[self.signing_kid]
        return jwt.encode(claims, key, algorithm, headers={"kid": self.signing_kid})

    def make_logout_token(self, **more: Any) -> str:
        """Return a logout token of the user (OpenID Connect Back-Channel Logout 1.0 §2.4); None removes a claim."""
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": moment,
            "exp": moment + 120,
            "jti": secrets.token_hex(8),
            "sub": self.user["sub"],
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            **more,
        }
        return self.sign({name: value for name, value in claims.items() if value is not None})

    def _knows_client(self, form: dict[str, str], authorization: str) -> bool:
        if "client_secret_basic" in self.auth_methods:
            kind, _, encoded = authorization.partition(" ")
            client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
            return (kind, unquote_plus(client_id), unquote_plus(secret)) == (
                "Basic",
                self.client_id,
                self.client_secret,
            )
        secret = self.client_secret if "client_secret_post" in self.auth_methods else None
        return not authorization and (form.get("client_id"), form.get("client_secret")) == (self.client_id, secret)


def _make_handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # send head and body together, else the second waits 40 ms for an acknowledgement of the first

        def do_GET(self) -> None:
            size = int(self.headers.get("content-length", "0"))
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer_headers, body = provider.answer(parts.path, parts.query, headers, self.rfile.read(size))
            self.send_response(status)
            for name, value in {**answer_headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
                self.wfile.flush()
            except OSError:  # the client has enough
                self.close_connection = True

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            return

    return Handler


if __name__ == "__main__":
    with Provider(int(sys.argv[1])) as running:
        running.redirect_uri = sys.argv[2] if len(sys.argv) > 2 else REDIRECT_URI
        running.user["email"] = sys.argv[3] if len(sys.argv) > 3 else running.user["email"]
        sys.stdout.write(f"export BROADSHEET_OIDC='{json.dumps([running.settings()])}'\n")
        sys.stdout.flush()
        running.thread.join()
