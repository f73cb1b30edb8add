"""The shape of an article's body: typed blocks of text with marks, as they are stored and as they go out."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

MarkType = Literal[
    "link",
    "abbreviation",
    "quotation",
    "cite",
    "strong",
    "emphasis",
    "underline",
    "strike",
    "insertion",
    "highlight",
    "small",
    "superscript",
    "subscript",
    "code",
]

Offset = Annotated[int, Field(ge=0, description="A position in the text, counted in Unicode code points.")]
BlockId = Annotated[
    str, Field(description="Unique within the body; kept from revision to revision.", examples=["b1a2c3d"])
]
Text = Annotated[
    str,
    Field(description="Plain text: a line feed is a line break, an empty line separates paragraphs of one block."),
]


class Mark(TypedDict):
    """A stretch of text from `start` up to, not including, `end` that means or looks different."""

    type: MarkType
    start: Offset
    end: Offset
    href: Annotated[str | None, Field(description="Where a link leads: an http, https, mailto or relative URL.")]
    title: Annotated[str | None, Field(description="The tooltip of a link, or what an abbreviation stands for.")]


Marks = Annotated[list[Mark], Field(description="Marks over `text`; they may overlap.")]


class Inline(TypedDict):
    """Text with its marks."""

    text: Text
    marks: Marks


class ParagraphBlock(TypedDict):
    """A paragraph."""

    id: BlockId
    type: Literal["paragraph"]
    text: Text
    marks: Marks


class HeadingBlock(TypedDict):
    """A heading of level 1 (highest) to 6."""

    id: BlockId
    type: Literal["heading"]
    text: Text
    marks: Marks
    level: Annotated[int, Field(ge=1, le=6)]


class QuoteBlock(TypedDict):
    """A quotation and, in `cite`, who or what is quoted; `text` holds the quotation alone."""

    id: BlockId
    type: Literal["quote"]
    text: Text
    marks: Marks
    cite: Inline | None


class ListItem(TypedDict):
    """One entry of a list, with the entries below it."""

    text: Text
    marks: Marks
    items: "NestedList | None"


class NestedList(TypedDict):
    """A list inside an entry of another."""

    ordered: bool
    start: Annotated[int, Field(ge=0, description="The number of the first entry of an ordered list.")]
    items: list[ListItem]


class ListBlock(TypedDict):
    """A list; `text` is the text of all entries, one a line, and `marks` are with the entries."""

    id: BlockId
    type: Literal["list"]
    text: Text
    marks: Marks
    ordered: bool
    start: Annotated[int, Field(ge=0, description="The number of the first entry of an ordered list.")]
    items: list[ListItem]


class ImageBlock(TypedDict):
    """A picture; `text` is its caption."""

    id: BlockId
    type: Literal["image"]
    text: Text
    marks: Marks
    src: str
    alt: Annotated[str, Field(description="The picture in words for those who do not see it; empty for decoration.")]
    title: str | None
    link: Annotated[str | None, Field(description="Where a click on the picture leads.")]
    width: Annotated[int | None, Field(description="In pixels.")]
    height: Annotated[int | None, Field(description="In pixels.")]


class EmbedBlock(TypedDict):
    """Something from elsewhere, such as a video or a post, to be shown by the front end; `text` is its caption."""

    id: BlockId
    type: Literal["embed"]
    text: Text
    marks: Marks
    url: str
    provider: Annotated[str | None, Field(description="The service, such as youtube, when it is a well-known one.")]
    title: str | None


class CodeBlock(TypedDict):
    """Source code or other text whose spaces count."""

    id: BlockId
    type: Literal["code"]
    text: Text
    marks: Marks
    language: str | None


class TableBlock(TypedDict):
    """A rectangular table; `text` has a line for each row with tabs between cells, and `marks` are with the cells."""

    id: BlockId
    type: Literal["table"]
    text: Text
    marks: Marks
    header: Annotated[bool, Field(description="Whether the first row names the columns.")]
    rows: list[list[Inline]]
    caption: Inline | None


class DividerBlock(TypedDict):
    """A change of subject, usually shown as a line."""

    id: BlockId
    type: Literal["divider"]
    text: Text
    marks: Marks


Block = Annotated[
    ParagraphBlock
    | HeadingBlock
    | QuoteBlock
    | ListBlock
    | ImageBlock
    | EmbedBlock
    | CodeBlock
    | TableBlock
    | DividerBlock,
    Field(discriminator="type"),
]
