"""Tokens cost nothing: what is done with them counts for the network address as well."""

import pytest
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.core.settings import Settings
from app.db import Database
from app.main import create_app
from tests import make

pytestmark = pytest.mark.portable


def test_many_guests_at_one_address_have_the_limits_of_one(settings: Settings, db: Database) -> None:
    limited = settings.model_copy(update={"rate_limits": "reader=5/minute"})
    with TestClient(create_app(limited, with_worker=False)) as client:
        guests = [make.guest(client) for _ in range(10)]
        answers = [client.get("/v1/articles", headers=who).status_code for who in guests * 5]
        assert answers == [200] * 5 + [429] * 45
        elsewhere = TestClient(client.app, client=("192.0.2.7", 50000))
        assert elsewhere.get("/v1/articles", headers=guests[9]).status_code == 200
        make.prove_guests(db)
        client.app.state.services.callers._guests.clear()  # type: ignore[attr-defined]
        assert client.get("/v1/articles", headers=guests[8]).status_code == 200


def test_many_guests_at_one_address_edit_as_one(settings: Settings) -> None:
    limited = settings.model_copy(update={"rate_limits": "comment=3/minute"})
    with TestClient(create_app(limited, with_worker=False)) as client:
        edits = [
            client.patch(f"/v1/comments/{new_id()}", json={"text": "A."}, headers=make.guest(client)) for _ in range(5)
        ]
        assert [answer.status_code for answer in edits] == [404] * 3 + [429] * 2
