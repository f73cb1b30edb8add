"""How things are known again in WordPress exports of ours.

The numbers in such a file are given in its order and change from export to export. Each item and comment therefore
carries the id of what it is, and of what it refers to, as metadata; importing it again goes by these.
"""

import hashlib
from typing import Final

ID_KEY: Final = "_broadsheet_id"
"""Metadata of an item or comment: the id of the article, picture or comment."""
IMAGE_KEY: Final = "_broadsheet_image_id"
"""Metadata of an item: the id of its featured image."""
PARENT_KEY: Final = "_broadsheet_parent_id"
"""Metadata of a comment: the id of the one that it answers."""


def number_of(row_id: str) -> int:
    """Give the number that an import knows an id by: 59 bits of a hash, the same in every export."""
    digest = hashlib.blake2b(row_id.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 5) + 1
