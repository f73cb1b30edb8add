"""Folders that only the user of the server may read."""

from pathlib import Path


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, readable by their owner alone whatever the umask."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
