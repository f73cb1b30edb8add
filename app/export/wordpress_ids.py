"""Ids of articles, pictures and comments in WordPress exports, by which a later import recognises them.

The numbers in such a file change from export to export, so items and comments carry ids as metadata.
"""

import hashlib
from typing import Final

ID_KEY: Final = "_broadsheet_id"
"""Metadata of an item or comment: the id of the article, picture or comment."""
IMAGE_KEY: Final = "_broadsheet_image_id"
"""Metadata of an item: the id of its featured image."""
PARENT_KEY: Final = "_broadsheet_parent_id"
"""Metadata of a comment: the id of its parent."""


def hash_to_number(row_id: str) -> int:
    """Return the number by which an import knows an id: 59 bits of its hash, the same for every export."""
    digest = hashlib.blake2b(row_id.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 5) + 1
