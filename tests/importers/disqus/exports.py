"""Exports of Disqus written for a test."""

from typing import Any

HEAD = (
    '<?xml version="1.0"?>\n<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">'
    '<category dsq:id="1"><forum>quay</forum></category>\n'
)


def thread(number: int, link: str = "", identifier: str = "") -> str:
    """A thread; `link` is where it stood."""
    return (
        f'<thread dsq:id="{number}"><id>{identifier}</id><forum>quay</forum><link>{link}</link>'
        f"<title>Thread {number}</title></thread>\n"
    )


def post(number: int, of: int, parent: int = 0, **fields: Any) -> str:
    """A comment by Ada of October 2013 in a thread, unless the fields say otherwise."""
    values = {"message": f"Comment {number}.", "createdAt": f"2013-10-10T10:00:{number:02}Z", **fields}
    who = values.pop("author", "<name>Ada</name><email>ada@mail.example</email>")
    parts = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in values.items())
    above = f'<parent dsq:id="{parent}"/>' if parent else ""
    return (
        f'<post dsq:id="{number}"><id/>{parts}<author>{who}</author><ipAddress>192.0.2.77</ipAddress>'
        f'<thread dsq:id="{of}"/>{above}</post>\n'
    )


def disqus(*parts: str) -> str:
    """An export of these parts."""
    return HEAD + "".join(parts) + "</disqus>\n"
