"""The services of a running app, for tests that look behind it or exchange one."""

import dataclasses
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from app.services import Services


def services_of(client: TestClient) -> Services:
    """Return the services of the app that a client calls."""
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services


def replace_services(app: FastAPI | Any, **parts: Any) -> None:
    """Exchange services of an app; the others stay."""
    app.state.services = dataclasses.replace(app.state.services, **parts)
