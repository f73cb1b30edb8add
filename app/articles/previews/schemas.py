"""Preview links as they come in and go out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.kit.text import Whole


class PreviewIn(BaseModel):
    """A preview link to make."""

    model_config = ConfigDict(extra="forbid")

    hours: Annotated[int, Field(strict=True, ge=1, le=24 * 90), Whole] = Field(
        72, description="For how many hours it is good."
    )


class PreviewOut(BaseModel):
    """A preview link, without its token."""

    id: str
    article_id: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class NewPreviewOut(PreviewOut):
    """A preview link just made: the only answer that holds its token."""

    token: str = Field(description="Read the article with `?preview=TOKEN`: it shows the newest revision.")
