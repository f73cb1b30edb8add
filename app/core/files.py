"""Folders for what only the server's own user may read."""

from pathlib import Path


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, all of them for their owner alone, whatever the umask."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
