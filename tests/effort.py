"""How much the tests do that find more the longer they run: a little in `make test`, more in `make test-long`."""

import os


def effort(name: str, usual: int, *, long: int) -> int:
    """A number of rounds: that of the environment variable, the long one with `LONG=1`, otherwise the usual one."""
    return int(os.environ.get(name) or (long if os.environ.get("LONG") else usual))
