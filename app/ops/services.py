"""The services of operation: what probes and metrics ask of the process."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from app.deliveries.courier import Courier
from app.identity.services import IdentityServices
from app.ops.personal import ForgetParticipants
from app.web.boundary import Metrics


class WorkerStatus(Protocol):
    """The worker of this process, which the floor above has."""

    @property
    def consumers(self) -> Collection[str]:
        """The names of those that read the event log."""

    def is_late(self, clock: float) -> bool:
        """Whether it has not come round for a while, by the monotonic clock."""


class OpenApiDocument:
    """The OpenAPI document of an app as JSON, rendered for the first request."""

    def __init__(self) -> None:
        self._body: bytes | None = None

    def render(self, describe: Callable[[], dict[str, Any]]) -> bytes:
        """Return the document that `describe` gives."""
        if self._body is None:
            self._body = json.dumps(describe(), ensure_ascii=False, separators=(",", ":")).encode()
        return self._body


@dataclass(frozen=True, kw_only=True)
class OperationServices(IdentityServices):
    """Adds what is measured, the tasks that run beside the requests, and what imports hold of persons."""

    metrics: Metrics
    courier: Courier
    worker: WorkerStatus
    document: OpenApiDocument
    forget_imported: ForgetParticipants
