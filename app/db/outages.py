"""Saying once that the store cannot be reached, whatever is tried meanwhile."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.logs import get_logger
from app.db.base import is_unavailable

log = get_logger("broadsheet.db")


class Outage:
    """What background work knows of a store that comes and goes: a failover is two lines in the log, not a traceback
    for each piece of work and try."""

    def __init__(self, work: str) -> None:
        self._work, self._is_on = work, False

    def note(self, error: Exception) -> bool:
        """Return whether the store could not be reached, which is logged the first time."""
        if not (isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and is_unavailable(error))):
            return False
        if not self._is_on:
            log.warning("the store cannot be reached: work waits", work=self._work, error=type(error).__name__)
        self._is_on = True
        return True

    def end(self) -> None:
        """Note that the store has answered."""
        if self._is_on:
            log.info("the store can be reached again", work=self._work)
        self._is_on = False
