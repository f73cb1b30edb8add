"""Settings: environment variables (or `.env`) with the prefix `BROADSHEET_`."""

import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.network_addresses import Guard
from app.core.sign_in_providers import (
    LOOPBACK_HOSTS,
    MAX_PROVIDERS,
    SignInProvider,
    parse_providers,
    require_different_ids,
)
from app.text.inputs import is_http_url, is_language, normalise_language_tag


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError("is not a time zone that this machine knows") from error
    return name


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _split_origins(value: object) -> object:
    parts = _split(value)
    return [part.rstrip("/") if isinstance(part, str) else part for part in parts] if isinstance(parts, list) else parts


_WEBHOOK_SECRET = re.compile(r"whsec_(?=.{32,88}\Z)(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BETWEEN_URLS = re.compile(r"[\s,]+(?=postgres(?:ql)?(?:\+\w+)?://)")
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+", re.ASCII)


def _require_different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("must not name anything twice")
    return names


def _split_paths(value: object) -> object:
    """Split `page=/{slug},review=/reviews/{slug}` into paths by type."""
    parts = _split(value)
    if not isinstance(parts, list):
        return parts
    pairs = [part.partition("=") for part in parts if isinstance(part, str)]
    return {name.strip(): path.strip() for name, _, path in pairs}


def _language(value: str) -> str:
    if not is_language(value):
        raise ValueError("must be BCP 47 language tags, such as en or pt-BR")
    return normalise_language_tag(value)


Languages = Annotated[
    tuple[Annotated[str, AfterValidator(_language)], ...],
    NoDecode,
    BeforeValidator(_split),
    Field(min_length=1, max_length=50),
    AfterValidator(_require_different),
]
_PLACEHOLDERS = {"slug", "id", "section", "sections", "year", "month", "day"}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _article_path(value: str) -> str:
    path = value.rstrip("/")
    names, last = _PLACEHOLDER.findall(path), _PLACEHOLDER.findall(path.rpartition("/")[2])
    if not path.startswith("/") or not {"slug", "id"} & set(last) or not _PLACEHOLDERS.issuperset(names):
        raise ValueError("must start with /, end with a part that contains {slug} or {id}, and name no other values")
    if "{" in _PLACEHOLDER.sub("", path) or len(set(names)) < len(names):
        raise ValueError("must not name a value twice, nor contain other braces")
    return path


List = Annotated[list[str], NoDecode]
Paths = Annotated[
    dict[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")],
        Annotated[str, AfterValidator(_article_path)],
    ],
    NoDecode,
    BeforeValidator(_split_paths),
]
Names = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")], ...],
    NoDecode,
    BeforeValidator(_split),
    Field(max_length=12),
    AfterValidator(_require_different),
]

Providers = Annotated[
    tuple[SignInProvider, ...],
    NoDecode,
    BeforeValidator(parse_providers),
    Field(max_length=MAX_PROVIDERS),
    AfterValidator(require_different_ids),
]


class Settings(BaseSettings):
    """The settings of an operator; the reference page of settings is generated from this class."""

    model_config = SettingsConfigDict(
        env_prefix="BROADSHEET_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(Path("data"), description="Folder for the SQLite file, media and mail.")
    database_url: str = Field(
        "",
        description="`sqlite:///path` or `postgresql://user:password@host/name`. Empty: a SQLite file in `DATA_DIR`.",
    )
    read_database_url: str = Field(
        "",
        description="PostgreSQL standbys that answer the reads of anonymous requests in turn: one URL or more, "
        "separated by commas or spaces. Empty: none.",
    )
    direct_database_url: str = Field(
        "",
        description="PostgreSQL itself, where `DATABASE_URL` leads to a pooler in transaction mode, such as PgBouncer: "
        "for migrations, commands and notifications. With it nothing is prepared or set in the sessions of "
        "`DATABASE_URL` and `READ_DATABASE_URL`. Empty: there is no pooler.",
    )
    site_url: str = Field("http://localhost:8000", description="Address of the publication's own site.")
    api_url: str = Field(
        "",
        description="Address at which this API is reached from outside, for links in mail and feeds. Empty: "
        "`SITE_URL`.",
    )
    site_name: str = Field(
        "Broadsheet", description="Name of the publication, until editors give it another one by `PUT /v1/site`."
    )
    languages: Languages = Field(
        ("en",), description="Languages of the publication as BCP 47 tags, separated by commas, the main one first."
    )
    article_path: str = Field(
        "/{section}/{slug}",
        description="Path of an article on the site. Its last part contains `{slug}` or `{id}`; it may also contain "
        "`{section}`, `{sections}` (the path of the section in the tree, such as `world/asia`), `{year}`, `{month}` "
        "and `{day}`.",
    )
    type_paths: Paths = Field(
        {},
        description="Paths of articles of certain types where they differ from `ARTICLE_PATH`, separated by commas: "
        "`page=/{slug},review=/reviews/{slug}`.",
    )
    section_path: str = Field(
        "/{slug}",
        description="Path of a section on the site, with `{slug}`, or with `{sections}` for its path in the tree.",
    )
    tag_path: str = Field("/tags/{slug}", description="Path of a tag on the site, with `{slug}`.")
    author_path: str = Field("/authors/{slug}", description="Path of an author on the site, with `{slug}`.")
    series_path: str = Field("/series/{slug}", description="Path of a series on the site, with `{slug}`.")
    front_path: str = Field(
        "/fronts/{slug}", description="Path of a front on the site, with `{slug}`; the home front is at `/`."
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC",
        description="IANA time zone of the publication. It decides which day a date in an address or a filter means, "
        "and where months of archives and sitemaps begin.",
    )
    frontend_origins: List = Field(
        [], description="Origins, separated by commas, whose pages may write and send credentials (CORS)."
    )
    rate_limits: str = Field(
        "on",
        description="`on`, `off`, or changes to the defaults, which are `read=1200/minute,key=6000/minute,"
        "publishable=60000/minute,reader=1200/minute,guest=60/hour,comment=60/minute,write=300/minute,"
        "subscribe=60/hour,hub=600/hour,sign-in=120/hour,sign-in-range=600/hour,account=20/hour,invalid=60/minute`.",
    )
    redis_url: str = Field(
        "",
        description="A Redis through which processes share rate limits and quotas; needs the `redis` package. Without "
        "an answer for 0.25 s each process counts by itself for 5 s. Empty: it always does, from zero at its start.",
    )
    cache_size: int = Field(
        32,
        ge=0,
        le=100_000,
        description="Megabytes of finished public answers that each serving process keeps in memory. 0: none.",
    )
    trusted_proxies: List = Field(
        [], description="Addresses or networks, separated by commas, whose `X-Forwarded-For` is believed."
    )
    media_base_url: str = Field(
        "",
        description="Address below which the files of pictures are reached from outside, such as that of a CDN in "
        "front of this API: `/media/…` is appended. Empty: `API_URL`.",
    )
    media_url: str = Field(
        "",
        description="Where media files are stored: any fsspec URL, whose driver has to be installed. Empty: a folder "
        "in `DATA_DIR`.",
    )
    search_processes: int = Field(
        1,
        ge=0,
        le=64,
        description="Processes started beside each serving process at its first search (some 50 MB each), so that "
        "searches delay no other request. 0: threads instead.",
    )
    picture_processes: int = Field(
        2,
        ge=0,
        le=64,
        description="Processes started beside each serving process at the first rendition of a picture that has to be "
        "made (some 60 MB each). They have a lower priority than what serves requests. 0: threads instead.",
    )
    smtp_url: str = Field(
        "",
        description="Mail server: `smtp://user:password@host:port` (STARTTLS where the server offers it) or "
        "`smtps://…`. Empty: mail is written to `DATA_DIR/mail` in maildir format.",
    )
    mail_from: str = Field(
        "",
        description="Sender of all mail: an address, or `Name <address>`. Empty: `SITE_NAME` and noreply@ the site's "
        "host.",
    )
    confirm_path: str = Field(
        "/subscriptions/confirm", description="Page of the site where readers confirm a subscription."
    )
    templates_dir: Path | None = Field(
        None, description="Folder of mail templates (Jinja2) that replace the built-in ones."
    )
    opt_in_limit: int = Field(
        1000,
        ge=1,
        description="Confirmation mails an hour to addresses that have not confirmed before, and a quarter as many to "
        "those that have. Besides, in 6 hours at most 3 go to one address, 20 are caused by one network "
        "address, 60 by its /24 (IPv6: /48) and 300 by its /16 (IPv6: /32).",
    )
    digest_hour: int = Field(7, ge=0, le=23, description="Hour, in `TIME_ZONE`, at which digests are sent.")
    moderation_digest: Literal["off", "hourly", "daily"] = Field(
        "off",
        description="How often people who moderate are sent a mail with what waits for them in the queue: numbers by "
        "state and reason, and the oldest. Nothing is sent where nothing waits.",
    )
    moderation_url: str = Field("", description="Page of your front end that these mails lead to. Empty: no link.")
    digest_day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = Field(
        "monday", description="Day on which weekly digests are sent."
    )
    edit_window: int = Field(
        15, ge=0, le=525_600, description="Minutes in which the author of a comment may change its text. 0: never."
    )
    reactions: Names = Field(
        ("agree", "disagree", "insightful"),
        description="Reactions that readers can choose for an article: up to 12 lower-case words, separated by commas. "
        "Empty: none.",
    )
    report_threshold: int = Field(
        3,
        ge=0,
        description="Weight of open reports at which a published comment goes back to the queue. 0: reports never "
        "hide one.",
    )
    flood_author: int = Field(
        6,
        ge=1,
        le=10_000,
        description="Comments that one author may post in a minute, and a hundred times as many in a day; beyond that "
        "429. No limit where `RATE_LIMITS` is `off`.",
    )
    flood_address: int = Field(
        20, ge=1, le=10_000, description="Comments that one network address may post in a minute; as `FLOOD_AUTHOR`."
    )
    max_links: int = Field(2, ge=0, description="Links in a comment beyond which it waits for a moderator.")
    moderate_new_authors: int = Field(
        0,
        ge=0,
        description="Approved comments that an author needs before new ones are published at once. Guests without a "
        "confirmed e-mail address stay new. 0: off.",
    )
    checker_url: str = Field(
        "",
        description="An HTTP service of yours to which every comment is sent before it is stored; it may be in a "
        "private network. Empty: none.",
    )
    checker_secret: SecretStr = Field(
        SecretStr(""), description="Secret (`whsec_…`) with which requests to the checker are signed."
    )
    checker_on_unavailable: Literal["pending", "publish"] = Field(
        "pending",
        description="What becomes of comments while the checker does not answer: `pending` holds them, `publish` lets "
        "them pass. The moderation log records it either way.",
    )
    live_streams: int = Field(2500, ge=0, description="Live streams that one process holds open.")
    live_streams_per_caller: int = Field(
        100, ge=0, description="Live streams that one process holds open for one network address or key."
    )
    live_seconds: int = Field(
        900, ge=0, description="Seconds after which a live stream ends, so that its client reconnects and resumes."
    )
    reader_jwks_url: str = Field(
        "",
        description="Where your site publishes the keys that sign its readers' JWTs (RS256, PS256, ES256, EdDSA); "
        "https.",
    )
    reader_secret: SecretStr = Field(
        SecretStr(""), description="Secret of 32 bytes or more that signs readers' JWTs instead (HS256)."
    )
    reader_issuer: str = Field(
        "",
        description="The `iss` that readers' JWTs must have; set it if others use the same keys. Empty: any.",
    )
    reader_audience: str = Field(
        "",
        description="The `aud` that readers' JWTs must have; set it if others use the same keys. Empty: any.",
    )
    invitation_url: str = Field(
        "",
        description="Page of your front end that invitations of people lead to; the token is appended. Empty: "
        "`SITE_URL/desk/#/invitation/`.",
    )
    require_second_factor: List = Field(
        [],
        description="Roles, separated by commas, or `all`: people with one of them who signed in with a password can "
        "do nothing but set up one-time codes or a passkey, until they have. Sign-in providers see to it themselves.",
    )
    editor_url: str = Field(
        "",
        description="Page of your front end that mails to the staff link to, where `{id}` stands for an article's id. "
        "Empty: `SITE_URL/desk/#/article/{id}`.",
    )
    passkey_rp_id: str = Field(
        "",
        description="Domain to which passkeys are bound (WebAuthn RP ID): that of pages where people sign in, or one "
        "above it. With another one all passkeys are lost. Empty: the host of `INVITATION_URL`.",
    )
    passkey_origins: List = Field(
        [],
        description="Origins, separated by commas, of pages on which people use passkeys. Empty: that of "
        "`INVITATION_URL`.",
    )
    oidc: Providers = Field(
        (),
        description="OpenID Connect providers through which people sign in: a JSON list of objects with `id`, `name`, "
        "`issuer`, `client_id` and `redirect_uris`, and if needed `client_secret`, `scopes`, `groups_claim`, `roles`, "
        "`allowed_domains`, `create_people` and `trust_email`, as the how-to guide on signing in explains.",
    )
    publishing_principles: str = Field(
        "", description="Address of the page with your editorial principles, for JSON-LD."
    )
    paywall_selector: str = Field(
        "", description="CSS selector of what only subscribers see on the site, for JSON-LD. Empty: all of it is free."
    )
    outgoing_allow: List = Field(
        [],
        description="Private addresses or networks, separated by commas, in which webhooks and subscribers of the hub "
        "may nevertheless be.",
    )
    websub_hubs: List = Field(
        [], description="Further WebSub hubs, separated by commas, that are notified of changed feeds."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json`, `console`, or `auto`: console on a terminal, JSON lines otherwise."
    )
    traces: bool = Field(
        False,
        description="Whether requests that no kept answer serves are traced by OpenTelemetry, which needs "
        "`pip install 'broadsheet[otel]'` and is set up by OpenTelemetry's own variables.",
    )
    slow_query_ms: int = Field(
        0,
        ge=0,
        description="Database statements that take at least this many milliseconds are logged as `slow query`, with "
        "placeholders in place of values. Reads of standbys are not measured. 0: none are logged.",
    )
    allowed_hosts: List = Field(
        [],
        description="Host names of this API, separated by commas; `*.example.org` stands for all names below it. "
        "Requests for other hosts get 421, except at `/healthz` and `/readyz`. Empty: any host.",
    )
    max_connections: int = Field(
        10_000, ge=1, description="Connections that each serving process holds open; further ones get 503."
    )
    max_connections_per_address: int = Field(
        1000,
        ge=1,
        description="Connections that each serving process holds open for one network address (IPv6: /64) that is not "
        "a trusted proxy.",
    )
    max_requests: int = Field(
        256,
        ge=1,
        description="Requests that each serving process works on at once; further ones get 503 at once. Live streams, "
        "kept answers, and requests that wait for their clients do not count.",
    )
    max_body_size: int = Field(4_000_000, ge=1000, description="Largest request body in bytes, except for uploads.")
    max_media_size: int = Field(25_000_000, ge=1000, description="Largest upload in bytes.")

    _lists = field_validator("frontend_origins", "trusted_proxies", "allowed_hosts", "passkey_origins", mode="before")(
        _split_origins
    )

    @field_validator("websub_hubs", mode="before")
    @classmethod
    def _are_hubs(cls, value: object) -> object:
        parts = _split(value)
        if not all(is_http_url(hub) for hub in (parts if isinstance(parts, list) else [])):
            raise ValueError("must be http or https URLs without credentials")
        return parts

    @field_validator("require_second_factor", mode="before")
    @classmethod
    def _are_roles(cls, value: object) -> object:
        parts = _split(value)
        if not all(re.fullmatch(r"[a-z][a-z0-9_-]{0,59}", role) for role in (parts if isinstance(parts, list) else [])):
            raise ValueError("must be names of roles, or `all`")
        return parts

    @field_validator("outgoing_allow", mode="before")
    @classmethod
    def _are_networks(cls, value: object) -> object:
        parts = _split(value)
        Guard(parts if isinstance(parts, list) else [])
        return parts

    @field_validator("site_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("api_url", "media_base_url")
    @classmethod
    def _is_reached(cls, value: str) -> str:
        if value and not is_http_url(value):
            raise ValueError("must be an http or https URL")
        return value.rstrip("/")

    @field_validator("invitation_url", "editor_url", "moderation_url")
    @classmethod
    def _is_page(cls, value: str) -> str:
        if value and not is_http_url(value):
            raise ValueError("must be an http or https URL")
        return value

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
        local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
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

    _article_path = field_validator("article_path")(_article_path)

    @field_validator("section_path", "tag_path", "author_path", "series_path", "front_path")
    @classmethod
    def _is_place(cls, value: str, info: ValidationInfo) -> str:
        path, is_tree = value.rstrip("/"), info.field_name == "section_path"
        named = _PLACEHOLDER.findall(path)
        if not path.startswith("/") or named not in ([["slug"], ["sections"]] if is_tree else [["slug"]]):
            raise ValueError("must start with / and contain {slug}" + (" or {sections}" if is_tree else ""))
        if "{" in _PLACEHOLDER.sub("", path):
            raise ValueError("must not contain other braces")
        return path

    @property
    def database(self) -> str:
        """The URL of the database; by default a SQLite file in `data_dir`."""
        return self.database_url or f"sqlite:///{self.data_dir / 'broadsheet.db'}"

    @property
    def direct_database(self) -> str:
        """The URL of the database past a pooler, if there is one."""
        return self.direct_database_url or self.database

    @property
    def read_databases(self) -> list[str]:
        """The URLs of the standbys. A comma inside a URL separates hosts of one."""
        return [url for url in _BETWEEN_URLS.split(self.read_database_url.strip()) if url]

    @property
    def api(self) -> str:
        """The address of this API; by default that of the site."""
        return self.api_url or self.site_url

    @property
    def media_base(self) -> str:
        """The address below which files of pictures are reached; by default that of this API."""
        return self.media_base_url or self.api

    @property
    def invitation_page(self) -> str:
        """The page that invitations lead to, to which their token is appended."""
        return self.invitation_url or f"{self.site_url}/desk/#/invitation/"

    @property
    def editor_page(self) -> str:
        """The page of an article for editors, with `{id}` in place of its id."""
        return self.editor_url or f"{self.site_url}/desk/#/article/{{id}}"

    @property
    def relying_party_id(self) -> str:
        """The domain to which passkeys are bound; by default the host of the page of invitations."""
        return self.passkey_rp_id or urlsplit(self.invitation_page).hostname or ""

    @property
    def relying_party_origins(self) -> list[str]:
        """The origins on whose pages people use passkeys; by default that of the page of invitations."""
        parts = urlsplit(self.invitation_page)
        return self.passkey_origins or [f"{parts.scheme}://{parts.netloc}"]

    @property
    def sender(self) -> tuple[str, str]:
        """The name of the sender of mails, empty for that of the publication, and the address."""
        name, address = parseaddr(self.mail_from)
        return name, address or f"noreply@{urlsplit(self.site_url).hostname}"

    @property
    def media(self) -> str:
        """The URL of the media store; by default a folder in `data_dir`."""
        return self.media_url or str(self.data_dir / "media")
