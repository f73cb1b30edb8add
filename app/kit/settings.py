"""Settings: environment variables (or `.env`) with the prefix `BROADSHEET_`."""

import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.kit.addresses import Guard
from app.kit.text import is_http_url


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError("is no time zone that this machine knows") from error
    return name


def _split(value: object) -> object:
    return [part.strip().rstrip("/") for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_WEBHOOK_SECRET = re.compile(r"whsec_(?=.{32,88}\Z)(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+", re.ASCII)


def _names(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("must not name anything twice")
    return names


List = Annotated[list[str], NoDecode]
Names = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")], ...],
    NoDecode,
    BeforeValidator(_names),
    Field(max_length=12),
    AfterValidator(_different),
]


class Settings(BaseSettings):
    """Everything an operator can choose; the README's table says the same."""

    model_config = SettingsConfigDict(env_prefix="BROADSHEET_", env_file=".env", extra="ignore", frozen=True)

    data_dir: Path = Field(Path("data"), description="Folder for the SQLite file, media and mail.")
    database_url: str = Field("", description="`sqlite:///path` or `postgresql://…`; empty: a file in `DATA_DIR`.")
    read_database_url: str = Field("", description="A PostgreSQL replica for reads; empty: the same database.")
    site_url: str = Field("http://localhost:8000", description="Address of the publication's own site.")
    api_url: str = Field("", description="Address at which this API is reached from outside; empty: `SITE_URL`.")
    site_name: str = Field("Broadsheet", description="Name of the publication.")
    article_path: str = Field("/{section}/{slug}", description="Path of an article on the site.")
    time_zone: Annotated[str, AfterValidator(_zone)] = Field("UTC", description="IANA zone of the publication.")
    frontend_origins: List = Field([], description="Origins that may write and send credentials (CORS), with commas.")
    rate_limits: str = Field("on", description="`on`, `off` (load tests), or `read=1200/minute,key=6000/minute`.")
    redis_url: str = Field("", description="Shares rate limits between processes; empty: each process counts alone.")
    trusted_proxies: List = Field([], description="Addresses or networks whose `X-Forwarded-For` is believed.")
    media_url: str = Field("", description="Where media files are kept, any fsspec URL; empty: a folder in `DATA_DIR`.")
    search_processes: int = Field(1, ge=0, le=64, description="Processes beside each that serves; 0: threads.")
    smtp_url: str = Field(
        "", description="`smtp://user:password@host:port` or `smtps://…`; empty: files in `DATA_DIR`."
    )
    mail_from: str = Field("", description="Sender of all mail: an address, or `Name <address>`.")
    confirm_path: str = Field("/subscriptions/confirm", description="Page of the site where readers confirm.")
    templates_dir: Path | None = Field(None, description="Folder of mail templates that replace the built-in ones.")
    opt_in_limit: int = Field(1000, ge=1, description="Confirmation mails in an hour to strangers.")
    digest_hour: int = Field(7, ge=0, le=23, description="Hour in `TIME_ZONE` at which digests are sent.")
    digest_day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = Field(
        "monday", description="Day on which weekly digests are sent."
    )
    edit_window: int = Field(15, ge=0, le=525_600, description="Minutes in which authors may change a comment.")
    reactions: Names = Field(
        ("agree", "disagree", "insightful"), description="What readers can choose of an article, with commas, ≤ 12."
    )
    report_threshold: int = Field(3, ge=0, description="Weight of reports at which a comment waits again; 0: never.")
    flood_author: int = Field(6, ge=1, le=10_000, description="Comments that one author may post in a minute.")
    flood_address: int = Field(20, ge=1, le=10_000, description="The same for one network address.")
    max_links: int = Field(2, ge=0, description="Links beyond which a comment waits for a moderator.")
    moderate_new_authors: int = Field(0, ge=0, description="Approved comments before an author's do not wait; 0: off.")
    checker_url: str = Field("", description="A checker of comments that is asked over HTTP; empty: none.")
    checker_secret: SecretStr = Field(SecretStr(""), description="`whsec_…`: signs what the checker is sent.")
    checker_on_unavailable: Literal["pending", "publish"] = Field("pending", description="While it does not answer.")
    live_streams: int = Field(2500, ge=0, description="Live streams that one process holds open.")
    live_streams_per_caller: int = Field(100, ge=0, description="The same for one network address or key.")
    live_seconds: int = Field(
        900, ge=0, description="Seconds after which a live stream ends, for its client to resume."
    )
    reader_jwks_url: str = Field("", description="Where the site publishes the keys that sign its readers' JWTs.")
    reader_secret: SecretStr = Field(SecretStr(""), description="Secret of 32 bytes or more that signs them (HS256).")
    reader_issuer: str = Field("", description="The `iss` that they must have; empty: any.")
    reader_audience: str = Field("", description="The `aud` that they must have; empty: any.")
    publishing_principles: str = Field("", description="Address of the page that says by which rules you publish.")
    paywall_selector: str = Field(
        "", description="CSS selector of what subscribers alone see on the site; empty: free."
    )
    outgoing_allow: List = Field([], description="Private networks that webhooks and the hub may reach all the same.")
    websub_hubs: List = Field([], description="Further WebSub hubs that are told of changes, with commas.")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="`auto`: console on a terminal.")
    max_body_size: int = Field(4_000_000, ge=1000, description="Largest request body in bytes, media apart.")
    max_media_size: int = Field(25_000_000, ge=1000, description="Largest upload in bytes.")

    _lists = field_validator("frontend_origins", "trusted_proxies", mode="before")(_split)

    @field_validator("websub_hubs", mode="before")
    @classmethod
    def _are_hubs(cls, value: object) -> object:
        found = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not all(is_http_url(hub) for hub in (found if isinstance(found, list) else [])):
            raise ValueError("must be http or https URLs without credentials")
        return found

    @field_validator("outgoing_allow", mode="before")
    @classmethod
    def _are_networks(cls, value: object) -> object:
        found = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        Guard(found if isinstance(found, list) else [])
        return found

    @field_validator("site_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("api_url")
    @classmethod
    def _is_reached(cls, value: str) -> str:
        if value and not is_http_url(value):
            raise ValueError("must be an http or https URL")
        return value.rstrip("/")

    @field_validator("confirm_path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        if not value.startswith("/") or value.startswith("//") or not is_http_url(f"https://site{value}"):
            raise ValueError("must be a path that starts with /")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_mail_server(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.port == 0):
            raise ValueError("must be smtp://user:password@host:port or smtps://…")
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, value: str) -> str:
        address = parseaddr(value)[1]
        if value and (not _ADDRESS.fullmatch(address) or not value.isprintable()):
            raise ValueError("must be an e-mail address, or a name and <an e-mail address>")
        return value

    @field_validator("reader_jwks_url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if value and not (parts.hostname and (local or parts.scheme == "https")):
            raise ValueError("must start with https://, except on localhost")
        return value

    @field_validator("reader_secret")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < 32:
            raise ValueError("must have 32 bytes or more")
        return value

    @field_validator("checker_url", "publishing_principles")
    @classmethod
    def _is_web(cls, value: str) -> str:
        if value and not is_http_url(value):
            raise ValueError("must be an http or https URL without credentials")
        return value

    @field_validator("checker_secret")
    @classmethod
    def _is_standard(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not _WEBHOOK_SECRET.fullmatch(value.get_secret_value()):
            raise ValueError("must be whsec_ and the base64 of 24 to 64 bytes")
        return value

    @field_validator("article_path")
    @classmethod
    def _has_slug(cls, value: str) -> str:
        if not value.startswith("/") or not value.rstrip("/").endswith("{slug}"):
            raise ValueError("must start with / and end with {slug}")
        return value.rstrip("/")

    @property
    def database(self) -> str:
        """The database's URL, the SQLite default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'broadsheet.db'}"

    @property
    def api(self) -> str:
        """The address of this API, the site's filled in."""
        return self.api_url or self.site_url

    @property
    def sender(self) -> tuple[str, str]:
        """The name and the address that mails come from."""
        name, address = parseaddr(self.mail_from)
        return name or self.site_name, address or f"noreply@{urlsplit(self.site_url).hostname}"

    @property
    def media(self) -> str:
        """The media store's URL, the default folder filled in."""
        return self.media_url or str(self.data_dir / "media")
