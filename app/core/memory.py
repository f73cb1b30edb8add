"""The memory of a process: its garbage collector and its allocator."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

M_ARENA_MAX: Final = -8  # of mallopt(3)


@contextmanager
def pause_collector() -> Iterator[None]:
    """Collect nothing within the context, and never examine afterwards what is there at its end.

    Modules live as long as the process: examining them again and again while they grow takes a quarter of a start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def hide_module(name: str) -> Iterator[None]:
    """Let imports of a module fail within the context, so that what can do without it does."""
    modules = cast(dict[str, object], sys.modules)
    before = modules.pop(name, None)
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]
        if before is not None:
            modules[name] = before


def share_arena() -> bool:
    """Let all threads allocate from one arena of glibc, before they start; return False with another allocator.

    By default each thread gets an arena that keeps what it has freed: 20 MB of a server after some thousand requests.
    Threads seldom wait for each other's allocations, as they wait for the interpreter lock anyway.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_ARENA_MAX, 1))
