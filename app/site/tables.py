"""Tables of the site's profile and of redirects."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import ID, Table
from app.db.rows import JsonObject

PROFILE_ID = 1


class SiteProfile(Table, table=True):
    """The single row of what editors say of the site; without it the settings hold."""

    __tablename__ = "site_profile"

    id: int = Field(PROFILE_ID, primary_key=True)
    name: str | None = Field(None, max_length=200)  # null: that of the settings
    tagline: str = Field("", max_length=300)
    description: str = Field("", max_length=2000)
    languages: list[str] = Field(default_factory=list, sa_type=sa.JSON)  # BCP 47; empty: those of the settings
    logo_id: str | None = Field(None, sa_type=ID, foreign_key="media.id", ondelete="RESTRICT", index=True)
    icon_id: str | None = Field(None, sa_type=ID, foreign_key="media.id", ondelete="RESTRICT", index=True)
    social: list[JsonObject] = Field(default_factory=list, sa_type=sa.JSON)  # name, url
    home_front_id: str | None = Field(None, sa_type=ID, foreign_key="front.id", ondelete="SET NULL", index=True)
    menus: list[JsonObject] = Field(default_factory=list, sa_type=sa.JSON)  # name, items; with ids of what they lead to
    version: int = 1
    updated_at: datetime


class Redirect(Table, table=True):
    """A path of the site that leads elsewhere, or says that what stood there is gone."""

    id: str = Field(primary_key=True, sa_type=ID)
    source: str = Field(max_length=500, unique=True)  # decoded, without a slash at its end; `/*`: all paths below
    target: str | None = Field(max_length=2048)  # a path or a URL; null with 410
    status: int  # 301, 302, 410
    version: int = 1
    created_at: datetime
    updated_at: datetime
