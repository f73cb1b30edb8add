"""The generation of cached JSON: processes that start at once agree on the first one."""

import pytest
import sqlalchemy as sa

from app.db import Database
from app.db.columns import table_of
from app.publication.generations import adopt_cache_key
from app.publication.tables import Generation


def test_the_first_generation_may_be_of_another_process(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction() as session:
        adopt_cache_key(session, "key")
        monkeypatch.setattr(session, "get", lambda *_, **__: None)  # as before the commit of the other process
        adopt_cache_key(session, "key")
    with db.connect() as connection:
        keys = connection.execute(sa.select(table_of(Generation).c.made_for)).scalars().all()
    assert keys == ["key"]
