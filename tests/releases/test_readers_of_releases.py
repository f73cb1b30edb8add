"""Readers see all of a release or nothing of it, while it is published and rolled back beside them."""

import threading
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make
from tests.effort import effort
from tests.releases.test_releases import ANY, Headers, publish, release

pytestmark = pytest.mark.portable

ITEMS = 90  # fewer than a page of a list holds


@pytest.mark.both
@pytest.mark.long
def test_readers_see_all_or_nothing(client: TestClient, editor: Headers, make_key: Any) -> None:
    readers, number = effort("READERS", 3, long=32), effort("RELEASED", 8, long=ITEMS)
    drafts = [make.draft(client, editor, f"New {n}") for n in range(number // 2)]
    old = [make.published(client, editor, f"Old {n}") for n in range(number // 2)]
    for article in old:
        make.patched(client, editor, article, title=article["title"].replace("Old", "New"))
    url = release(client, editor, *({"op": "publish", "article": each["id"]} for each in (*drafts, *old)))
    for article in old:
        make.patched(client, editor, article, title="Leaked")
    over, faults, seen = threading.Event(), list[str](), set[int]()

    def read(at: int) -> None:
        headers = make_key("content:read") if at % 2 else {}  # one half of them gets no kept answers
        while not over.is_set():
            titles = make.titles(client, "limit=100", headers)
            new = sum(title.startswith("New") for title in titles)
            seen.add(new)
            if new not in (0, number) or len(titles) != (number if new else number // 2):
                faults.append(f"{new} of {number} in {len(titles)}")
            if "Leaked" in titles:
                faults.append("an edit after pinning is public")
            if client.get(f"/v1/articles/{drafts[0]['id']}", headers=headers).status_code not in (200, 404):
                faults.append("neither there nor not")

    threads = [threading.Thread(target=read, args=(at,)) for at in range(readers)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        publish(client, editor, url)
        make.ok(client.post(f"{url}/rollback", headers={**editor, **ANY}))
    over.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert seen
