"""Schema of an article's body: typed blocks of text with marks, as stored and as returned."""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

MarkType = Literal[
    "anchor",
    "link",
    "footnote",
    "span",
    "override",
    "isolate",
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
    "image",
]
Direction = Literal["ltr", "rtl", "auto"]

Offset = Annotated[int, Field(ge=0, description="A position in the text, counted in Unicode code points.")]
BlockId = Annotated[str, Field(description="Unique within the body; stable across revisions.", examples=["b1a2c3d"])]
BlockLanguage = Annotated[str, Field(description="BCP 47 language tag, if it is not the article's.")]
BlockAnchor = Annotated[str, Field(description="Fragment identifier, unique in the body.")]
Text = Annotated[
    str,
    Field(description="Plain text: a line feed is a line break, an empty line separates paragraphs of one block."),
]


class Mark(TypedDict):
    """A mark over the text from `start` up to, not including, `end`."""

    type: MarkType
    start: Offset
    end: Offset
    href: Annotated[
        str | None,
        Field(description="Target of a link: a relative URL, or one of http, https, mailto, tel, sms, geo and xmpp."),
    ]
    title: Annotated[str | None, Field(description="Tooltip of a link or picture, or expansion of an abbreviation.")]
    src: NotRequired[
        Annotated[
            str,
            Field(
                description="URL of an `image`. The marked text is its alternative text, or U+FFFC where it has none."
            ),
        ]
    ]
    width: NotRequired[Annotated[int, Field(description="Size of an `image` in pixels.")]]
    height: NotRequired[Annotated[int, Field(description="Size of an `image` in pixels.")]]
    note: NotRequired[Annotated[str, Field(description="Id of the note that a `footnote` refers to.")]]
    anchor: NotRequired[Annotated[str, Field(description="Fragment identifier of an `anchor`.")]]
    lang: NotRequired[Annotated[str, Field(description="BCP 47 language tag of a `span`.")]]
    dir: NotRequired[Annotated[Direction, Field(description="Text direction of `span`, `isolate` and `override`.")]]


Marks = Annotated[list[Mark], Field(description="Marks over `text`; they may overlap.")]


class Inline(TypedDict):
    """Text with marks."""

    text: Text
    marks: Marks


class Content(Inline):
    """Content of a list item, a cell or another container: text, or blocks if it has more than text."""

    blocks: NotRequired[
        Annotated[
            "list[Block]",
            Field(description="The whole content, in order; `text` is their text. Absent if the content is only text."),
        ]
    ]


class Common(TypedDict):
    """Properties of all types of blocks."""

    lang: NotRequired[BlockLanguage]
    dir: NotRequired[Direction]
    anchor: NotRequired[BlockAnchor]


class ParagraphBlock(Common):
    """A paragraph."""

    id: BlockId
    type: Literal["paragraph"]
    text: Text
    marks: Marks


class HeadingBlock(Common):
    """A heading of level 1 (highest) to 6."""

    id: BlockId
    type: Literal["heading"]
    text: Text
    marks: Marks
    level: Annotated[int, Field(ge=1, le=6)]


class QuoteBlock(Common):
    """A quotation; `cite` is its source, `text` only the quotation."""

    id: BlockId
    type: Literal["quote"]
    text: Text
    marks: Marks
    cite: Inline | None
    blocks: NotRequired[Annotated["list[Block]", Field(description="The whole quotation, if it has more than text.")]]


class ListItem(Content):
    """A list item with its nested list; if there are `blocks`, these contain the nested list too."""

    items: "NestedList | None"
    value: NotRequired[Annotated[int, Field(description="Its number, if it is not the next one.")]]
    checked: NotRequired[Annotated[bool, Field(description="Whether a task is done; absent if it is no task.")]]


class Numbering(TypedDict):
    """Numbering of a list."""

    ordered: bool
    start: Annotated[int, Field(ge=0, description="Number of the first item of an ordered list.")]
    items: list[ListItem]
    style: NotRequired[Annotated[Literal["a", "A", "i", "I"], Field(description="Letters or Roman numerals.")]]
    reversed: NotRequired[Annotated[Literal[True], Field(description="Whether it counts down.")]]


class NestedList(Numbering, Common):
    """A list inside a list item."""


class ListBlock(Numbering, Common):
    """A list; `text` has each item on a line; the marks are in `items`."""

    id: BlockId
    type: Literal["list"]
    text: Text
    marks: Marks


class PictureRendition(TypedDict):
    """A smaller copy of a stored picture."""

    name: str
    width: int
    height: int
    mime: str
    url: str


class BlockPicture(TypedDict):
    """What is known of a picture that is stored here."""

    id: str
    credit: str
    animated: bool
    provenance: Literal["c2pa"] | None
    renditions: Annotated[list[PictureRendition], Field(description="Smaller copies, narrowest first.")]


class ImageBlock(Common):
    """A picture; `text` is its caption."""

    id: BlockId
    type: Literal["image"]
    text: Text
    marks: Marks
    src: str
    alt: Annotated[str, Field(description="Alternative text; empty for decorative pictures.")]
    title: str | None
    link: Annotated[str | None, Field(description="Target of a link on the picture.")]
    width: Annotated[int | None, Field(description="In pixels.")]
    height: Annotated[int | None, Field(description="In pixels.")]
    picture: NotRequired[
        Annotated[BlockPicture, Field(description="The picture of the library; absent if the file is elsewhere.")]
    ]


class GalleryBlock(Common):
    """A gallery of pictures; `text` has their captions, one per line."""

    id: BlockId
    type: Literal["gallery"]
    text: Text
    marks: Marks
    images: list[ImageBlock]
    caption: Annotated[Inline | None, Field(description="Caption of the gallery.")]


class MediaSource(TypedDict):
    """A media file in another format."""

    src: str
    mime: str | None


class MediaTrack(TypedDict):
    """A text track of audio or video, such as subtitles (WebVTT)."""

    src: str
    kind: Literal["subtitles", "captions", "descriptions", "chapters", "metadata"]
    lang: str | None
    label: str | None
    default: bool


class MediaBlock(Common):
    """Properties of audio and video; `text` is the caption."""

    id: BlockId
    text: Text
    marks: Marks
    src: str
    mime: Annotated[str | None, Field(description="Media type, if known.")]
    title: str | None
    sources: Annotated[list[MediaSource], Field(description="Other formats.")]
    tracks: list[MediaTrack]


class AudioBlock(MediaBlock):
    """An audio file."""

    type: Literal["audio"]


class VideoBlock(MediaBlock):
    """A video file."""

    type: Literal["video"]
    poster: Annotated[str | None, Field(description="URL of a picture to show before playback.")]
    width: Annotated[int | None, Field(description="In pixels.")]
    height: Annotated[int | None, Field(description="In pixels.")]


class EmbedBlock(Common):
    """Content of another site, such as a video or a post, to be embedded by the front end; `text` is its caption."""

    id: BlockId
    type: Literal["embed"]
    text: Text
    marks: Marks
    url: str
    provider: Annotated[str | None, Field(description="The service, such as youtube, if it is well known.")]
    title: str | None
    blocks: NotRequired[Annotated["list[Block]", Field(description="Text of a post, to show without loading it.")]]


class CodeBlock(Common):
    """Source code or other preformatted text."""

    id: BlockId
    type: Literal["code"]
    text: Text
    marks: Marks
    language: str | None


class TableCell(Content):
    """A table cell; cells that another one spans are empty."""

    header: NotRequired[Annotated[Literal[True], Field(description="Whether it is a header of a row or column.")]]
    scope: NotRequired[
        Annotated[
            Literal["row", "col", "rowgroup", "colgroup"], Field(description="Scope of a header cell, as in HTML.")
        ]
    ]
    align: NotRequired[Literal["left", "center", "right"]]
    colspan: NotRequired[Annotated[int, Field(ge=2)]]
    rowspan: NotRequired[Annotated[int, Field(ge=2)]]


class TableBlock(Common):
    """A rectangular table; `text` has a line per row, with tabs between cells; the marks are in `rows`."""

    id: BlockId
    type: Literal["table"]
    text: Text
    marks: Marks
    header: Annotated[bool, Field(description="Whether the first row has the column headers.")]
    rows: list[list[TableCell]]
    caption: Inline | None


class DividerBlock(Common):
    """A thematic break, usually shown as a line."""

    id: BlockId
    type: Literal["divider"]
    text: Text
    marks: Marks


class Definition(TypedDict):
    """Terms and their definitions."""

    terms: list[Inline]
    meanings: list[Content]


class DefinitionsBlock(Common):
    """A definition list; `text` has each term and meaning on a line."""

    id: BlockId
    type: Literal["definitions"]
    text: Text
    marks: Marks
    items: list[Definition]


class DetailsBlock(Common):
    """A disclosure widget: content that is shown on demand; `text` has the summary and the content."""

    id: BlockId
    type: Literal["details"]
    text: Text
    marks: Marks
    summary: Inline
    open: Annotated[bool, Field(description="Whether it is initially open.")]
    blocks: "list[Block]"


class BoxBlock(Common):
    """An aside, such as a fact box; `text` has its whole content."""

    id: BlockId
    type: Literal["box"]
    text: Text
    marks: Marks
    kind: Annotated[str | None, Field(description="The author's class for it, such as `factbox`.")]
    blocks: "list[Block]"


class Note(Content):
    """A footnote; marks of type `footnote` refer to its id."""

    id: str


class FootnotesBlock(Common):
    """The footnotes; `text` has each on a line, with its number."""

    id: BlockId
    type: Literal["footnotes"]
    text: Text
    marks: Marks
    notes: list[Note]


Block = Annotated[
    ParagraphBlock
    | HeadingBlock
    | QuoteBlock
    | ListBlock
    | ImageBlock
    | GalleryBlock
    | AudioBlock
    | VideoBlock
    | EmbedBlock
    | CodeBlock
    | TableBlock
    | DividerBlock
    | DefinitionsBlock
    | DetailsBlock
    | BoxBlock
    | FootnotesBlock,
    Field(discriminator="type"),
]
