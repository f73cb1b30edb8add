"""A small client, standard library only: publish an article safely, then walk through everything that is published.

python examples/newsroom.py http://localhost:8000 "$(cat data/editor.key)"
"""

import json
import sys
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Newsroom:
    """One publication, and one key."""

    def __init__(self, address: str, key: str) -> None:
        self.address, self.key = address, key

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[Any, Any]:
        """The JSON of an answer, and its headers; problems are raised with what the server says of them."""
        content = json.dumps(body).encode() if body is not None else None
        request = Request(self.address + path, content, method=method)  # noqa: S310
        request.add_header("Authorization", f"Bearer {self.key}")
        request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urlopen(request, timeout=10) as answer:  # noqa: S310
                return json.load(answer), answer.headers
        except HTTPError as error:
            problem = json.load(error)
            raise SystemExit(f"{problem['status']} {problem['code']}: {problem['detail']}") from error

    def publish(self, **article: Any) -> Any:
        """Make a draft and publish it. Each step can be sent again after a lost answer: nothing is done twice."""
        draft, headers = self.call("POST", "/v1/articles", article, Idempotency_Key=str(uuid.uuid4()))
        path = f"/v1/articles/{draft['id']}/publish"
        return self.call("POST", path, If_Match=headers["ETag"], Idempotency_Key=str(uuid.uuid4()))[0]

    def published(self) -> Iterator[Any]:
        """All published articles, newest first, a page at a time."""
        cursor = ""
        while True:
            page, _ = self.call("GET", f"/v1/articles?limit=50&fields=title,url,published_at{cursor}")
            yield from page["data"]
            if page["page"]["next"] is None:
                return
            cursor = f"&cursor={page['page']['next']}"


def main() -> None:
    """Publish a line, then list everything."""
    newsroom = Newsroom(*sys.argv[1:3])
    newsroom.publish(title="Fog over the harbour", tags=["weather"], body={"markdown": "Thick *fog* since six."})
    for article in newsroom.published():
        print(article["published_at"][:10], article["title"], article["url"])  # noqa: T201


if __name__ == "__main__":
    main()
