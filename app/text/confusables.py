"""What a name looks like: letters of other scripts, digits and tricks that pass for plain ones, after UTS #39."""

import unicodedata
from functools import lru_cache
from typing import Final

MAX_SKELETON_LENGTH: Final = 200
_INVISIBLE: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that show nothing
# Left the plain letter, right what passes for it: Cyrillic, Greek, Armenian, Cherokee, Coptic, Lisu, phonetic letters.
# Letters with two cases that look unlike (Η and η, Ν and ν) are taken by their look.
_LOOKS: Final = {
    "a": "АаΑαɑᴀⱭᎪꓮ⍺ӕ4@ᗅ",
    "b": "ВвЬьЪъΒβƄƅʙᏴꓐ8ⲂᗷᏏᑲ",
    "c": "СсϹϲᴄⲤⲥᏟꓚƆ¢",
    "d": "ԀԁԂԃᴅᎠꓓÐðĐđɖᗞᗪᏧᑯ",
    "e": "ЕеЭэЄєҼҽΕεᴇᎬꓰ℮ɛƏə3ЗзƎ€",
    "f": "ϜϝƑƒꓝքẝꞘꞙᖴ",
    "g": "ԌԍɡɢᏀꓖցƓɠ",
    "h": "НнҺһΗʜᎻꓧհⲎɦᕼᏂ",
    "j": "ЈјϳͿᴊᎫꓙʝɉᒍ",
    "k": "КкΚκᴋᏦꓗⲔⲕƘƙᛕ",
    "l": "iIІіӀӏΙιıɪɩᛁᎥꓲլןǀ|1łŁƖ∣ꟾᏞᒪꓡⳐⵏⲒ",
    "m": "МмΜϺᴍᎷꓟⲘᗰᛖ",
    "n": "ПпИиΝηɴⲚꓠոռƝɲŋ",
    "o": "ОоΟοσѳѲөӨΘθφΦфФօՕᴏⲞⲟꓳ0øØɵ๐໐◯○ⵔ〇",
    "p": "РрΡρᴘᏢꓑⲢⲣƤþÞϷϸᑭ⍴",
    "q": "Ԛԛգզɋʠϙ",
    "r": "ГгЯяʀᎡᏒꓣɾɼᴦƦᖇⲅ",
    "s": "ЅѕꜱႽՏᏚꓢƧƨ5$Ꮥƽ",
    "t": "ТтΤτᴛᎢꓔⲦŧŦƬ7",
    "u": "ЦцυμսՍᴜꓴʋƱ∪ᑌ",
    "v": "ѴѵνᴠᏙꓦ∨ᐯꛟⴸ",
    "w": "ԜԝШшЩщωɯᴡᎳꓪաѡѠᏔ",
    "x": "ХхΧχӾ×ⲬꓫᕁҲҳ᙭Ꭓⵝ╳",
    "y": "УуΥγҮүҰұʏᎩꓬყɣƳƴⲨᎽ",
    "z": "ΖᴢᏃꓜƵƶʐ2",
    "ae": "æÆ",
    "oe": "œŒ",
}
_PLAIN: Final = str.maketrans({look: plain for plain, looks in _LOOKS.items() for look in looks})
# Letters that stand for one when they stand together: the longer is what the eye reads.
_PAIRS: Final = (("rn", "m"), ("vv", "w"))


@lru_cache(4096)
def skeleton(name: str) -> str:
    """What is left of a name for comparing: names that look alike have the same; names without a letter have none."""
    # First by the look of each letter: what is compatible with it may look unlike it, as ϲ (c) does with σ (o).
    normalised = unicodedata.normalize(
        "NFKD", unicodedata.normalize("NFKC", name[: MAX_SKELETON_LENGTH * 2].translate(_PLAIN))
    )
    shown = "".join(
        str(digit) if (digit := unicodedata.digit(char, None)) is not None else char
        for char in normalised
        if unicodedata.category(char)[0] != "M" and char not in _INVISIBLE
    )
    plain = shown.translate(_PLAIN).casefold().translate(_PLAIN)
    letters = "".join(char for char in plain if char.isalnum())
    for pair, one in _PAIRS:
        letters = letters.replace(pair, one)
    return letters[:MAX_SKELETON_LENGTH]


def skeletons(name: str) -> tuple[str, str, str]:
    """The same for a name as it is and in other letter case, which in Greek looks like other letters."""
    return skeleton(name), skeleton(name.lower()), skeleton(name.title())
