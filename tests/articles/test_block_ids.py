"""The ids of blocks in HTML: where readers find again what comments and prompts refer to."""

import re

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
HTML = "<h2>Fog</h2><p>A &amp; <em>b</em>.</p><ul><li>One</li></ul><pre><code>a\n\nb</code></pre>"
HTML += "<blockquote><p>q</p></blockquote>"


def test_html_has_the_ids_of_its_blocks(client: TestClient, editor: Headers) -> None:
    article = make.published(client, editor, "Fog", body={"html": HTML})
    url = f"/v1/articles/{article['id']}"
    body = make.ok(client.get(f"{url}?formats=html,blocks"))["body"]
    ids = [block["id"] for block in body["blocks"]]
    for query in ("block_ids=true", "block_ids=true&fields=body.html", "block_ids=true&revision=latest"):
        html = make.ok(client.get(f"{url}?{query}", headers=editor))["body"]["html"]
        assert re.findall(r'<(?:h2|p|ul|pre|blockquote) data-block-id="([^"]+)"', html) == ids, query
        assert re.sub(r' data-block-id="[^"]+"', "", html) == body["html"]
    assert "data-block-id" not in client.get(url).text
    assert "blocks" not in make.ok(client.get(f"{url}?block_ids=true"))["body"]
    assert "body" not in make.ok(client.get(f"{url}?block_ids=true&fields=title"))
