"""Small filled stores of earlier schemas, as compressed SQLite files named by their revision."""

import lzma
from pathlib import Path

FOLDER = Path(__file__).parent


def list_stores() -> list[str]:
    """List the revisions of the stores that are kept, oldest first."""
    return sorted(path.name.removesuffix(".db.xz") for path in FOLDER.glob("*.db.xz"))


def unpack(revision: str, target: Path) -> None:
    """Write a store as it was."""
    target.write_bytes(lzma.decompress((FOLDER / f"{revision}.db.xz").read_bytes()))
