"""Languages without spaces, stop words or a stemmer: reports of one matter find each other, and say why."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.related.conftest import related, titles

pytestmark = pytest.mark.portable

STORIES = {
    "zh": (
        "港务局将购买两艘电动渡轮,取代往返北部岛屿的旧船。船长说这个决定早该作出,码头明年春天将建成充电站。",
        "北部岛屿的居民担心夜间没有电动渡轮。港务局表示电池需要在夜里充电,已有八百人签名要求加开渡轮。",
        "宪法法院昨天审理养老金改革案。退休教师的律师认为削减养老金违宪,财政部长为改革辩护。",
        "宪法法院部分推翻了养老金改革。财政部长必须另找资金,退休教师在法院门前拥抱律师。",
    ),
    "ja": (
        "港湾局は北の島々を結ぶ古い船に代えて、電動フェリー二隻を購入する。来春までに桟橋へ充電設備を整える。",
        "島民は電動フェリーの夜間運休を心配している。港湾局は電池の充電に夜が必要だと説明し、署名は八百人に達した。",
        "憲法裁判所は年金改革の審理を開いた。退職教員の弁護士は年金削減は違憲だと述べ、財務大臣は改革を擁護した。",
        "憲法裁判所は年金改革の一部を無効とした。財務大臣は財源を探し、退職教員は弁護士と喜びあった。",
    ),
    "th": (
        "การท่าเรือจะซื้อเรือเฟอร์รี่ไฟฟ้าสองลำแทนเรือเก่าที่แล่นไปหมู่เกาะทางเหนือ สถานีชาร์จจะสร้างเสร็จก่อนฤดูใบไม้ผลิ",
        "ชาวหมู่เกาะทางเหนือกังวลว่าเรือเฟอร์รี่ไฟฟ้าจะหยุดแล่นตอนกลางคืน การท่าเรือบอกว่าแบตเตอรี่ต้องชาร์จ",
        "ศาลรัฐธรรมนูญพิจารณาคดีปฏิรูปเงินบำนาญ ทนายความของครูเกษียณเห็นว่าการตัดเงินบำนาญขัดรัฐธรรมนูญ",
        "ศาลรัฐธรรมนูญยกเลิกการปฏิรูปเงินบำนาญบางส่วน ครูเกษียณกอดทนายความหน้าศาล",
    ),
    "ar": (
        "ستشتري هيئة الميناء عبارتين كهربائيتين بدل السفن القديمة إلى الجزر الشمالية، وستبنى محطات الشحن على الأرصفة.",
        "يخشى سكان الجزر الشمالية توقف العبارات الكهربائية ليلا، وتقول هيئة الميناء إن البطاريات تحتاج إلى الشحن.",
        "نظرت المحكمة الدستورية في إصلاح المعاشات، ودافع وزير المالية عن الإصلاح أمام محامي المعلمين المتقاعدين.",
        "ألغت المحكمة الدستورية جزءا من إصلاح المعاشات، وعانق المعلمون المتقاعدون محاميهم أمام المحكمة.",
    ),
    "sw": (
        "Mamlaka ya bandari itanunua vivuko viwili vya umeme vya kwenda visiwa vya kaskazini badala ya meli kuukuu.",
        "Wakazi wa visiwa vya kaskazini wanaogopa kukosa vivuko vya umeme usiku; bandari inasema betri zichajiwe.",
        "Mahakama ya katiba ilisikiliza kesi ya pensheni; wakili wa walimu wastaafu alipinga mageuzi ya waziri.",
        "Mahakama ya katiba ilibatilisha mageuzi ya pensheni; walimu wastaafu walimkumbatia wakili wao.",
    ),
}
WORDS = {"zh": "渡轮", "ja": "フェリー", "th": "เรือ", "ar": "الشحن", "sw": "umeme"}


@pytest.mark.parametrize("language", STORIES)
def test_reports_of_one_matter_find_each_other(
    client: TestClient, publish: Callable[..., dict[str, Any]], work: Callable[[], None], language: str
) -> None:
    made = [publish(f"{n}", text, language=language) for n, text in enumerate(STORIES[language])]
    work()
    firsts = [titles(client, one)[0] for one in made]
    assert firsts == ["1", "0", "3", "2"]
    terms = related(client, made[0])[0]["reason"]["terms"]
    assert any(WORDS[language] in term for term in terms), terms
    assert not any(one[-1] == other[0] for one, other in pairwise(terms) if language in {"zh", "ja", "th"})


def test_ornaments_of_arabic_are_no_words(
    client: TestClient, publish: Callable[..., dict[str, Any]], work: Callable[[], None]
) -> None:
    """Nothing of a kashida alone is left by the stemmer, and by the empty stem all texts of a language are counted."""
    one, two = (publish(f"{n}", f"ـــــ {text} ـــــ", language="ar") for n, text in enumerate(STORIES["ar"][:2]))
    work()
    assert (titles(client, one), titles(client, two)) == (["1"], ["0"])
