"""Cursors belong to their query, fields asked for are given or refused, and addresses are read as people send them."""

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]


def test_a_cursor_belongs_to_its_filters(client: TestClient, editor: Headers, admin: Headers) -> None:
    for number in range(3):
        article = make.published(client, editor, f"News {number}", tags=["ferry", f"t{number}"], language="de")
        make.comment(client, article)
        make.comment(client, article, text="Another one.")
    other = make.ok(client.get("/v1/articles/news-0"))
    lists = {
        "/v1/articles": "language=de",
        "/v1/articles?q=news": "type=article",
        "/v1/search?q=news": "tag=ferry",
        "/v1/search?q=news&sort=-published_at": "tag=ferry",
        "/v1/articles/news-1/comments": "sort=oldest",
        "/v1/tags": "sort=-articles",
        "/v1/audit": "action=article.create",
    }
    for url, more in lists.items():
        sep = "&" if "?" in url else "?"
        cursor = make.ok(client.get(f"{url}{sep}limit=1", headers=admin))["page"]["next"]
        same = f"{url}{sep}cursor={cursor}"
        make.ok(client.get(f"{same}&limit=2&count=exact", headers=admin))
        problem = make.ok(client.get(f"{same}&{more}", headers=admin), 400)
        assert problem["errors"][0]["parameter"] == "cursor"
        for elsewhere in ("/v1/articles?featured=false", "/v1/authors?", f"/v1/articles/{other['id']}/comments?"):
            make.ok(client.get(f"{elsewhere}&cursor={cursor}", headers=admin), 400)


def test_fields_bring_what_they_need_or_are_refused(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "News")
    url = "/v1/articles/news"
    (row,) = make.ok(client.get("/v1/articles?fields=title,body.html"))["data"]
    assert (row["title"], list(row["body"])) == ("News", ["html"])
    (row,) = make.ok(client.get("/v1/search?q=news&fields=body.text"))["data"]
    assert list(row["body"]) == ["text"]
    assert list(make.ok(client.get(f"{url}?fields=body.markdown"))["body"]) == ["markdown"]
    assert make.ok(client.get(f"{url}?fields=neighbours.previous.title"))["neighbours"] == {"previous": None}
    for refused in (
        f"{url}?fields=neighbours.next.body",
        "/v1/articles?fields=-discussion",
        "/v1/articles?descendants=false",
        "/v1/resolve?path=/news&fields=article.body.words",
    ):
        assert "fields" in make.ok(client.get(refused), 400)["detail"] or "descendants" in refused
    make.ok(client.get("/v1/articles?fields=editing.version"), 401)
    make.ok(client.get("/v1/articles?fields=editing.version", headers=editor))


def test_addresses_are_read_as_people_send_them(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "Häuser am Öl", language="de-AT")
    assert article["slug"] == "haeuser-am-oel"
    assert make.published(client, editor, "Häuser", language="en")["slug"] == "hauser"
    url = article["url"]
    for address in (url, url.replace("https://", "http://"), f"{url}?utm_source=mail", f"{url}#text"):
        assert make.ok(client.get("/v1/resolve", params={"path": address}))["status"] == 200
    make.ok(client.get("/v1/resolve", params={"path": f"https://elsewhere.example/{article['slug']}"}), 404)
