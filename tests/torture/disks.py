"""A small disk that tests fill."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BLOCK_BYTES = 4096


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Mount a file system of so many bytes at a folder, in memory; False if this user may not mount anything."""
    folder.mkdir()
    options = ("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        is_mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill the disk that a folder is on, which has to be a small one."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(BLOCK_BYTES))
    try:
        yield
    finally:
        filler.unlink()
