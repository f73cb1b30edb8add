"""The site, its redirects, and answers to addresses, as they are sent and returned."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints

from app.articles.schemas import INCLUDES, ArticleList, FormatQuery, SingleArticleOut
from app.core.models import BaseModel, InputModel
from app.core.schema_rules import any_of, exactly_one
from app.fronts.schemas import FrontName, FrontOut
from app.publication.schemas import AuthorOut, ImageOut, SectionOut, SeriesOut, TagDetailOut
from app.text.inputs import HttpUrl, Identifier, LanguageTag, Length, Name, OneLine, Slug, Summary, Title
from app.web.paging import PageQuery, PreviewedQuery

MAX_MENUS, MAX_LINKS, MAX_MENU_DEPTH = 20, 200, 3
LinkKind = Literal["article", "section", "tag", "author", "series", "front", "url"]
LINK_KINDS: tuple[str, ...] = get_args(LinkKind)
_LINK = "Id or slug of what it leads to."
SitePath = Annotated[str, OneLine, Length(1, 500), StringConstraints(pattern=r"^/([^/\\\x00-\x1f][^\x00-\x1f]*)?$")]
"""A path of the site, such as `/about`."""


Tagline = Annotated[str, OneLine, Length(0, 300)]


class SocialAccount(InputModel):
    """An account of the publication on a social network."""

    name: Name = Field(description="Name of the network, such as `Mastodon`.")
    url: HttpUrl


class MenuItemIn(InputModel):
    """A link of a menu: exactly one of article, section, tag, author, series, front and url, with links below it."""

    model_config = ConfigDict(json_schema_extra=exactly_one(*LINK_KINDS))

    title: Title | None = Field(None, description="Text of the link; null: the title or name of its target.")
    article: Identifier | None = Field(None, description=_LINK)
    section: Identifier | None = Field(None, description=_LINK)
    tag: Identifier | None = Field(None, description=_LINK)
    author: Identifier | None = Field(None, description=_LINK)
    series: Identifier | None = Field(None, description=_LINK)
    front: Identifier | None = Field(None, description=_LINK)
    url: SitePath | HttpUrl | None = Field(None, description="A path of the site or a URL; it needs a title.")
    items: list["MenuItemIn"] = Field(
        default_factory=list, max_length=50, description=f"Links below it; menus have up to {MAX_MENU_DEPTH} levels."
    )


class MenuIn(InputModel):
    """A menu: a named tree of links."""

    name: Slug = Field(description="Name for front ends, such as `main` or `footer`.")
    items: list[MenuItemIn] = Field(max_length=50)


class SiteIn(InputModel):
    """The profile and the menus of the site; they replace the former ones as a whole."""

    name: Name | None = Field(None, description="Name of the publication; null: `SITE_NAME`.")
    tagline: Tagline = Field("", description="A line below the name.")
    description: Summary = Field("", description="Plain text for search engines and feeds, up to 2,000 characters.")
    languages: list[LanguageTag] = Field(
        default_factory=list, max_length=50, description="BCP 47, the main one first; empty: `LANGUAGES`."
    )
    logo: str | None = Field(None, max_length=36, description="Id of a picture.")
    icon: str | None = Field(None, max_length=36, description="Id of a picture, preferably a square one.")
    social: list[SocialAccount] = Field(default_factory=list, max_length=50)
    home_front: Identifier | None = Field(None, description="Id or slug of the front at `/`.")
    menus: list[MenuIn] = Field(
        default_factory=list, max_length=MAX_MENUS, description=f"Menus with up to {MAX_LINKS} links in all."
    )


class MenuItemDefinition(BaseModel):
    """A link of a menu as editors saved it, with ids."""

    title: str | None
    article: str | None = None
    section: str | None = None
    tag: str | None = None
    author: str | None = None
    series: str | None = None
    front: str | None = None
    url: str | None = None
    items: list["MenuItemDefinition"]


class MenuDefinition(BaseModel):
    """A menu as editors saved it."""

    name: str
    items: list[MenuItemDefinition]


class SiteDefinition(BaseModel):
    """The profile and the menus of the site as editors saved them, to be changed and sent back."""

    name: str | None
    tagline: str
    description: str
    languages: list[str]
    logo: str | None = Field(description="Id of a picture.")
    icon: str | None = Field(description="Id of a picture.")
    social: list[SocialAccount]
    home_front: str | None = Field(description="Id of a front.")
    menus: list[MenuDefinition]


class MenuItemOut(BaseModel):
    """A link of a menu."""

    title: str
    url: str
    kind: LinkKind
    id: str | None = Field(description="Id of the link's target; null for `url`.")
    slug: str | None = Field(description="Slug of the link's target; null for `url`.")
    items: list["MenuItemOut"]


class MenuOut(BaseModel):
    """A menu: a named tree of links. Links to what is not public are left out."""

    name: str
    items: list[MenuItemOut]


class AddressTemplates(BaseModel):
    """Paths of the site with placeholders in braces: `slug`, `id`, `section`, `sections`, `year`, `month`, `day`."""

    article: str
    types: dict[str, str] = Field(description="Paths of articles of certain types, where they differ, by type.")
    section: str
    tag: str
    author: str
    series: str
    front: str
    confirm: str = Field(description="Path of the page where readers confirm a subscription.")


class SiteFeed(BaseModel):
    """A feed of the whole site."""

    type: str = Field(description="Its media type.")
    url: str


class HomeFront(FrontName):
    """The front at `/`."""


class DiscussionRules(BaseModel):
    """The rules of all discussions."""

    reactions: list[str] = Field(description="Reactions that readers can choose for an article.")
    edit_window: int = Field(description="Minutes in which the author of a comment may change its text.")
    max_length: int = Field(description="Characters of a comment.")
    max_name_length: int = Field(description="Characters of a guest's name.")


class SiteOut(BaseModel):
    """The publication's site: the names, addresses, rules and menus that a front end needs first."""

    name: str
    tagline: str
    description: str
    url: str = Field(description="Address of the site.")
    api_url: str = Field(description="Address of this API.")
    languages: list[str] = Field(description="BCP 47, the main one first.")
    time_zone: str = Field(description="IANA time zone in which addresses and archives are dated.")
    logo: ImageOut | None
    icon: ImageOut | None
    social: list[SocialAccount]
    addresses: AddressTemplates
    feeds: list[SiteFeed]
    home_front: HomeFront | None
    discussion: DiscussionRules
    menus: list[MenuOut]
    updated_at: datetime | None = Field(description="When editors last changed it; null: never.")


RedirectStatus = Literal[301, 302, 410]
RedirectTarget = Annotated[str, OneLine, Length(0, 2048)]
_SOURCE = (
    "A path of the site, such as `/old`, with a query if the old address had one; `/old/*` redirects all paths below "
    "`/old`. Full URLs of the site are taken, too."
)
_TARGET = (
    "A path of the site or a URL; null with 410. With a source ending in `/*`, a target ending in `/*` takes over the "
    "rest of the path."
)
_STATUS = "301 moved permanently, 302 moved for now, 410 gone."


class RedirectIn(InputModel):
    """A redirect."""

    source: Annotated[str, OneLine, Length(1, 500)] = Field(description=_SOURCE)
    target: RedirectTarget | None = Field(None, description=_TARGET)
    status: RedirectStatus = Field(301, description=_STATUS)


class RedirectPatch(InputModel):
    """Changes to a redirect (RFC 7396)."""

    source: Annotated[str, OneLine, Length(1, 500)] = Field(default_factory=str, description=_SOURCE)
    target: RedirectTarget | None = Field(None, description=_TARGET)
    status: RedirectStatus = Field(301, description=_STATUS)


class RedirectOut(BaseModel):
    """A redirect."""

    id: str
    source: str = Field(description="Decoded path; it ends with `/*` if it redirects all paths below.")
    target: str | None
    status: RedirectStatus
    created_at: datetime
    updated_at: datetime


class RedirectQuery(PreviewedQuery, PageQuery):
    """Parameters of the list of redirects."""

    q: str | None = Field(None, min_length=1, max_length=100, description="Only sources that begin with this.")


class RedirectsImported(BaseModel):
    """The result of an import of redirects."""

    created: int
    changed: int
    unchanged: int


ARTICLES = "articles"
"""The part that `include` adds to what articles are filed under."""
_PATH = r"^(/|[Hh][Tt][Tt][Pp][Ss]?://)[^\x00-\x1f]*$"


class ResolveQuery(PreviewedQuery, FormatQuery):
    """Parameters of resolving an address."""

    path: str = Field(
        min_length=1,
        max_length=500,
        pattern=_PATH,
        description="A path or a full URL of the site, with its query if it has one.",
    )
    include: str | None = Field(
        None,
        max_length=100,
        description="Comma-separated: parts to add to an article, as in `GET /v1/articles/{article}`; `articles`: the "
        "newest articles of a section, tag, author or series.",
        json_schema_extra=any_of((*INCLUDES, ARTICLES)),
    )


ResolvedKind = Literal["article", "page", "section", "tag", "author", "series", "front", "redirect", "gone"]


class ResolvedOut(BaseModel):
    """What the site should answer at an address."""

    status: Literal[200, 301, 302, 410, 451] = Field(
        description="What the site should answer (RFC 9110; 451: RFC 7725)."
    )
    kind: ResolvedKind = Field(description="What is there; a `page` is in `article`.")
    article: SingleArticleOut | None = Field(None, description="With its text if `formats` asks for it.")
    section: SectionOut | None = None
    tag: TagDetailOut | None = None
    author: AuthorOut | None = None
    series: SeriesOut | None = None
    front: FrontOut | None = None
    articles: ArticleList | None = Field(
        None,
        description="With `include=articles`, of a section, tag, author or series: its newest articles, as "
        "`GET /v1/articles?section={id}` and so on list them, where `page.next` leads on.",
    )
    location: str | None = Field(
        None, description="With 301 and 302: the URL to redirect to, which redirects no further."
    )
    reason: str | None = Field(None, description="With 410 and 451: the public reason, if there is one.")
