"""`compose.yaml` names services, volumes and settings that there are; Docker is not needed to see that."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.core.settings import Settings
from app.db.postgres import SESSION_SETTINGS

PREFIX = "BROADSHEET_"


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text(encoding="utf-8"))


def started(compose: Any, *names: str) -> set[str]:
    """Services that start with those of some names."""
    found = set(names)
    for name in names:
        found |= started(compose, *compose["services"][name].get("depends_on", ()))
    return found


def test_everything_named_is_there(compose: Any) -> None:
    for service in compose["services"].values():
        assert set(service.get("depends_on", ())) <= compose["services"].keys()
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= compose["volumes"].keys()
        assert {config["source"] for config in service.get("configs", ())} <= compose["configs"].keys()
        names = {name for name in service.get("environment", ()) if name.startswith(PREFIX)}
        assert {name.removeprefix(PREFIX).lower() for name in names} <= Settings.model_fields.keys()


def test_the_scaled_form_has_all_its_parts_and_not_the_single_server(compose: Any) -> None:
    parts = started(compose, "proxy", "worker")
    assert parts == {"proxy", "worker", "api-1", "api-2", "redis", "pgbouncer", "standby", "postgres", "migrate"}
    small = {name for name, service in compose["services"].items() if "profiles" not in service}
    assert small == {"postgres", "migrate", "broadsheet"}
    for name in ("api-1", "api-2", "worker"):
        environment = compose["services"][name]["environment"]
        assert "@pgbouncer:" in environment["BROADSHEET_DATABASE_URL"]
        assert "@postgres:" in environment["BROADSHEET_DIRECT_DATABASE_URL"]
        assert "@standby:" in environment["BROADSHEET_READ_DATABASE_URL"]
        assert environment["BROADSHEET_SITE_URL"]


def test_sessions_behind_the_pooler_get_their_settings(compose: Any) -> None:
    script = compose["configs"]["prepare_primary"]["content"]
    assert all(f"SET {name} = '{value}'" in script for name, value in SESSION_SETTINGS.items())


def test_containers_of_broadsheet_write_nowhere_but_to_their_volume(compose: Any) -> None:
    own = [service for service in compose["services"].values() if service["image"] == "broadsheet"]
    assert len(own) == 5
    for service in own:
        assert service["read_only"] is True
        assert (service["volumes"], service["tmpfs"]) == (["data:/data"], ["/tmp"])
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        assert "user" not in service, "the image has a user of its own"
    image = (Path(__file__).parents[2] / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (\w+)$", image, re.MULTILINE) == ["broadsheet"]
