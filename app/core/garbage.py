"""The garbage collector of a process that starts."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
