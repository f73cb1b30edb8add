"""The services of operation: probes, metrics, documentation and personal data."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from app.db.rows import JsonObject
from app.deliveries.courier import Courier
from app.identity.services import IdentityServices
from app.ops.gauges import StoreMetrics
from app.ops.personal import ForgetParticipants
from app.web.access_log import Metrics
from app.web.admission import Admission


class WorkerStatus(Protocol):
    """The state of the worker that probes and metrics report; the worker is on a floor above."""

    @property
    def consumers(self) -> Collection[str]:
        """The names of the consumers of the event log."""

    def is_late(self, clock: float) -> bool:
        """Whether it has not finished a round for a while; `clock` is monotonic."""


class ForgetMails(Protocol):
    """Deletes the mails to an address that are kept where there is no SMTP server."""

    async def __call__(self, to: str, /) -> None: ...


class OpenApiDocument:
    """The OpenAPI document of an app as JSON, rendered for the first request."""

    def __init__(self) -> None:
        self._body: bytes | None = None

    def render(self, describe: Callable[[], JsonObject]) -> bytes:
        """Return the document that `describe` builds, which is called once."""
        if self._body is None:
            self._body = json.dumps(describe(), ensure_ascii=False, separators=(",", ":")).encode()
        return self._body


@dataclass(frozen=True, kw_only=True)
class OperationServices(IdentityServices):
    """Adds metrics, admission, the courier, the worker, the OpenAPI document, and erasing personal data elsewhere."""

    metrics: Metrics
    admission: Admission
    courier: Courier
    worker: WorkerStatus
    store_metrics: StoreMetrics
    document: OpenApiDocument
    forget_imported: ForgetParticipants
    forget_mails: ForgetMails
