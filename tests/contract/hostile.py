"""Requests that the document allows or forbids, and strings that no good client sends."""

import copy
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

NAUGHTY = [
    *(
        "\x00",
        "a\x00b",
        "\x07\x1b[31m",
        "a\r\nSet-Cookie: x=y",
        "a\r\n\r\n<script>",
        "\u2028\u2029",
        "\x85\x0b\x0c",
        "\x7f",
    ),
    *(
        "\u202eevil\u202c",
        "\u2066a\u2069",
        "\u061c\u200f",
        "עברית ואנגלית",
        "مقال عن السياسة",
        "\ufeffbom",
        "\ufffe\uffff",
    ),
    *("e\u0301\u0327" * 20, "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞", "\u0378\u0380", "ﷺ" * 40, "ẞßſK"),
    *("👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "👍🏿" * 50, "\U0010ffff", "𝕬𝖓𝖓", "日本語の見出し", "Ünïcödé", "ⅷ²¼", "İıIi", "ﬁ ﬂ", "Ω Å Å"),
    *("\ud800", "a\udfff", "\udc00\ud800"),
    *(
        "' OR 1=1 --",
        "'; DROP TABLE article; --",
        '"',
        "%",
        "_",
        "\\",
        "%%%_%",
        "a%' ESCAPE '\\",
        "$$;$$",
        ":name",
        "?1",
        "{0}",
    ),
    *(
        '"',
        '""',
        "*",
        "a*",
        "NEAR(a b, 2)",
        "title:a",
        "a AND",
        "NOT",
        "OR OR",
        "-a -b",
        "^a",
        "(",
        "a + b",
        "a:* & !b",
        "<->",
    ),
    *("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1", "\r=1", '=HYPERLINK("https://evil.example")'),
    *(
        "{{7*7}}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "{% include 'x' %}",
        "%s%n%x",
        "$(id)",
        "`id`",
        "../../etc/passwd",
        "..%2f",
    ),
    *(
        "[a](javascript:x)",
        "![](x)",
        "<!--",
        "]]>",
        "--&gt;",
        "<?php",
        "&lt;&#60;&amp;",
        "**_`~",
        "> > > >",
        "|-|-|",
        "[^1]: x",
    ),
    *("0", "-0", "1e999", "NaN", "Infinity", "9" * 400, "0x7f", "1_000", "١٢٣", "2147483648", "9223372036854775808"),
    *(
        "null",
        "true",
        "undefined",
        "__proto__",
        "constructor",
        "None",
        "[]",
        "{}",
        "nil",
        "",
        " ",
        "\u3000",
        "\u200b",
        "\u180e",
    ),
    *("a" * 301, "é" * 5000, "\U0001f4a9" * 3000, "a " * 4000, "[" * 3000, "\n" * 3000),
    *(
        "xn--80ak6aa92e.com",
        "аpple.example",
        "a@b@c",
        "mailto:a@b?bcc=c",
        "data:text/html,x",
        "//evil.example",
        "http://[::1]/",
    ),
]
IN_PATHS = [word for word in NAUGHTY if word.strip() and not set("/.?#") & set(word)]  # others are another path
_POSITION = re.compile(r"\d+\.\d+")
NUMBERS: list[Any] = [0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 1.5, -0.0, 1e300]


def from_document(
    operation: schemathesis.APIOperation, mode: GenerationMode, number: int, send: Callable[[schemathesis.Case], None]
) -> None:
    """Send some requests that the document allows, or forbids; which ones depends on the state of `random`."""

    @hypothesis.seed(random.getrandbits(64))
    @hypothesis.settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode))
    def each(case: schemathesis.Case) -> None:
        send(case)

    each()


class Mixer:
    """Puts what exists, and what is naughty, into generated requests."""

    def __init__(self, things: dict[str, list[str]], bodies: dict[str, list[Any]]) -> None:
        self._things = things  # what stands in paths, by the name of the parameter
        self._bodies = bodies  # that mean something, by operation
        self._references = [value for values in things.values() for value in values]

    def mix(self, case: schemathesis.Case) -> bool:
        """Change a request; return whether it is another one now."""
        changed = False
        if case.operation.label in self._bodies and random.random() < 0.5:
            case.body, changed = copy.deepcopy(random.choice(self._bodies[case.operation.label])), True
        for name in case.path_parameters:
            chance = random.random()
            changed = chance < 0.9 or changed
            if chance < 0.8 and name in self._things:
                case.path_parameters[name] = random.choice(self._things[name])
            elif chance < 0.9:
                case.path_parameters[name] = random.choice(IN_PATHS)
        for part in (case.query, case.body):
            if part and random.random() < 0.35 and isinstance(part, dict | list):
                changed = self._spoil(part) or changed
        return changed

    def _word(self, value: object) -> Any:
        chance = random.random()
        if chance < 0.3:
            return random.choice(self._references)
        if chance < 0.4 and not isinstance(value, str):
            return random.choice(NUMBERS)
        if chance < 0.5:
            return f"{random.choice(NAUGHTY)}{random.choice(NAUGHTY)}"
        return random.choice(NAUGHTY)

    def _spoil(self, part: Any) -> bool:
        """Replace one leaf of a body or a query."""
        leaves = list(_leaves(part))
        if not leaves:
            return False
        holder, place = random.choice(leaves)
        holder[place] = self._word(holder[place])
        return True


def _leaves(part: Any) -> Iterator[tuple[Any, Any]]:
    places = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for place, value in list(places):
        if isinstance(value, dict | list) and value:
            yield from _leaves(value)
        else:
            yield part, place


def prepared(case: schemathesis.Case, headers: dict[str, str]) -> requests.PreparedRequest | None:
    """The bytes to send; None for what no client could send."""
    if "min_position" in case.query:  # what no server has said yet is waited for
        return None
    seen = (case.query.get("last_event_id"), (case.headers or {}).get("Last-Event-ID"))
    if any(_POSITION.fullmatch(str(one)) for one in seen):  # a place in the log of one of the two alone
        return None
    if "script" not in case.path_parameters and set("/.") & set("".join(map(str, case.path_parameters.values()))):
        return None  # another path, such as /v1/articles/{article}.{suffix}
    try:
        kwargs = copy.deepcopy(case.as_transport_kwargs(base_url="http://testserver"))
        kwargs["headers"] = {**(kwargs.get("headers") or {}), **headers}
        return requests.Request(**{k: v for k, v in kwargs.items() if k not in {"timeout", "verify", "cert"}}).prepare()
    except (UnicodeError, requests.RequestException):
        return None


def accepts_what_is_forbidden(case: schemathesis.Case, request: requests.PreparedRequest, answer: Any) -> bool:
    """Whether a request that breaks the document was answered as if it did not."""
    headers = {name: [value] for name, value in answer.headers.items()}
    response = schemathesis.Response(
        answer.status_code, headers=headers, content=answer.content, request=request, elapsed=0.0, verify=False
    )
    try:
        case.validate_response(response, checks=[negative_data_rejection])
    except FailureGroup:
        return True
    return False
