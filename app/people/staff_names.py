"""Names that readers may not take, as they look like those of the staff."""

import sqlalchemy as sa

from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, Store
from app.people.tables import Person
from app.publication.term_queries import staff_name_clause
from app.text.confusables import skeleton, skeletons
from app.text.names import is_office

_PERSON = table_of(Person)
_PARAMETERS = [sa.bindparam(name, type_=sa.String()) for name in "abc"]
_IS_STAFF_SKELETON: Prepared[JsonObject] = Prepared(
    sa.select(sa.exists().where(_PERSON.c.skeleton.in_(_PARAMETERS)) | staff_name_clause())
)


def is_staff_name(store: Store, name: str, site_name: str = "") -> bool:
    """Whether a name looks like that of a person, an author, an active key, an office or the publication.

    Takes one statement over three indexes. The names of deleted people are free.
    """
    name_skeletons = skeletons(name)
    if name_skeletons[0] == "":
        return False
    if skeleton(site_name) in name_skeletons or is_office(name):
        return True
    return bool(_IS_STAFF_SKELETON.one(store, dict(zip("abc", name_skeletons, strict=True)))[0])
