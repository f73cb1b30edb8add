"""Where an article stands on the publication's own site, and what else that site shows with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.articles.schemas import ListedArticleOut
from app.kit.http import ReadQuery
from app.kit.settings import Settings


@dataclass(frozen=True)
class Site:
    """What addresses are made of, and the reactions that the publication offers."""

    url: str
    path: str
    reactions: tuple[str, ...] = ("agree", "disagree", "insightful")

    @classmethod
    def of(cls, settings: Settings) -> "Site":
        """The site that the settings name."""
        return cls(settings.site_url, settings.article_path, settings.reactions)

    def path_of(self, section: str | None, slug: str, published_at: datetime | None) -> str:
        """The path of an article; an article without a section leaves that part of the path out."""
        path = self.path if section else self.path.replace("/{section}", "")
        values: dict[str, Any] = {"section": section, "slug": slug}
        if published_at:
            values |= {"year": published_at.year, "month": f"{published_at.month:02}", "day": f"{published_at.day:02}"}
        else:
            values |= {"year": "0000", "month": "00", "day": "00"}
        return path.format_map(values)


class ResolveQuery(ReadQuery):
    """A path of the publication's site."""

    path: str = Field(min_length=1, max_length=500, pattern=r"^/[^\x00-\x1f]*$", description="Begins with `/`.")


class ResolvedOut(BaseModel):
    """What stands at a path."""

    status: Literal[200, 301, 410, 451] = Field(description="What the site should answer (RFC 9110; 451: RFC 7725).")
    article: ListedArticleOut | None = Field(None, description="With 200.")
    location: str | None = Field(None, description="With 301: the article's address now.")
    reason: str | None = Field(None, description="With 410 and 451: the public reason.")
