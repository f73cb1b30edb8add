"""Public names: without bidirectional controls, e-mail addresses and offices of the publication."""

import re
from functools import cache, lru_cache
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator

from app.text.confusables import skeletons
from app.text.inputs import Length, OneLine, Visible

# Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX #9), and invisible characters.
_DIRECTION: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
_INVISIBLE: Final = re.compile(f"[{_DIRECTION}\u00ad\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb]")
_BIDI_CONTROLS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_EMAIL: Final = re.compile(
    r"([^\s@\uff20\ufe6b<>()\[\],;:\"]{1,200})[@\uff20\ufe6b][^\s@\uff20\ufe6b<>()\[\],;:\"]{1,200}[.\u3002\uff0e\uff61]\w{2,}[^\s,;<>()]*"
)
_NO_NAME: Final = "…"
_WORD: Final = re.compile(r"[^\W_]+")
# Offices of a publication in many languages.
_OFFICES: Final = """
admin admins administrator administrators administrador administradora administrateur administratrice amministratore
amministratrice administratör administratorin ylläpitäjä ylläpito beheerder rendszergazda администратор админ админы
διαχειριστής مدير المدير مشرف المشرف מנהל מנהלת 管理员 管理者 管理人 管理員 관리자 운영자 yönetici
moderator moderators modteam moderatorin moderateur modérateur modératrice moderador moderadora moderatore
moderatrice moderaattori moderátor модератор модераторы συντονιστής מנחה 版主 モデレーター 중재자 moderatör
editor editors editorial editorinchief chiefeditor redaktion redaktor redakteur redakteurin redaktör redaktørin redaktør
chefredakteur chefredakteurin redaktionen redacteur redactrice rédacteur rédactrice rédaction rédacteurenchef redactie
hoofdredacteur redacción redacao redação redator redatora redattore redattrice redazione caporedattore direttore
redactor redactora editora päätoimittaja toimitus redakcja redaktorka redakce szerkesztő szerkesztőség редактор редакция
главред συντάκτης محرر المحرر رئيسالتحرير עורך עורכת המערכת 编辑 編輯 编辑部 编集部 編集 編集部
編集長 편집자 편집장 편집부 editör
staff official officiel oficial ufficiale offiziell support helpdesk webmaster sysadmin publisher herausgeber newsroom
"""
_OFFICE_MODIFIERS: Final = """
the der die das le la les el los il lo i gli o a os as de het den det of in chief team and und et y e mail info desk our
at my site senior deputy assistant head lead chef jefe capo general global an
"""


@cache  # of two texts: a name, not the start, waits for the table of confusables
def _skeletons_of(words: str) -> frozenset[str]:
    return frozenset(look for word in words.split() for look in skeletons(word) if look)


@lru_cache(4096)  # people write again and again
def is_office(name: str) -> bool:
    """Tell whether a name is that of an office, such as Editor or The Moderators, or looks like one."""
    office_skeletons, modifiers = _skeletons_of(_OFFICES), _skeletons_of(_OFFICE_MODIFIERS)
    if not office_skeletons.isdisjoint(skeletons(name)):
        return True
    words = [set(skeletons(word)) - {""} for word in _WORD.findall(name) if not word.isdigit()]
    offices = [not office_skeletons.isdisjoint(looks) for looks in words]
    others = [looks for looks, office in zip(words, offices, strict=True) if looks and not office]
    return any(offices) and all(not modifiers.isdisjoint(looks) for looks in others)


def strip_bidi_controls(text: str) -> str:
    """Remove bidirectional controls, for lines in which a text is followed by others."""
    return _BIDI_CONTROLS.sub("", text)


def _strip_invisible(value: object) -> object:
    return _INVISIBLE.sub("", value) if isinstance(value, str) else value


def _no_email(value: str) -> str:
    if _EMAIL.search(value):
        raise ValueError("must not contain an e-mail address: everybody sees it")
    return value


PersonName = Annotated[
    str, OneLine, BeforeValidator(_strip_invisible), Length(1, 200), Visible, AfterValidator(_no_email)
]
"""A public name, 1 to 200 characters on one line, without e-mail addresses and bidirectional controls."""


def public_name(name: str) -> str:
    """Make a name of another system public: of an e-mail address only the part before the `@` is kept."""
    shown = _EMAIL.sub(lambda address: address[1].partition("+")[0], _INVISIBLE.sub("", name))
    return " ".join(shown.split()) or (_NO_NAME if name else "")
