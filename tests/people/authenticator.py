"""An authenticator in software: makes passkeys and answers challenges, well or badly."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, HAS_CREDENTIAL = 1, 4, 64


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """Holds one passkey."""

    origin: str = "https://site.example"
    rp_id: str = "site.example"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    id: bytes = field(default_factory=lambda: token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    user: str = ""

    def _data(self, kind: str, challenge: str, flags: int) -> tuple[bytes, bytes]:
        client = {"type": f"webauthn.{kind}", "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        head = sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")
        return json.dumps(client).encode(), head

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """The credential for options to create one."""
        client, head = self._data("create", options["challenge"], self.flags | HAS_CREDENTIAL)
        self.user = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        data = head + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(client, attestationObject=encode(attestation), transports=["internal"])

    def answer(self, options: dict[str, Any]) -> dict[str, Any]:
        """The answer to a challenge to sign in."""
        self.count += 1
        client, head = self._data("get", options["challenge"], self.flags)
        signature = self.key.sign(head + sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            client, authenticatorData=encode(head), signature=encode(signature), userHandle=self.user or None
        )

    def _credential(self, client: bytes, **response: Any) -> dict[str, Any]:
        response = {"clientDataJSON": encode(client), **response}
        return {
            "id": encode(self.id),
            "rawId": encode(self.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": response,
        }
