"""The shape of an article's body: typed blocks of text with marks, as they are stored and as they go out."""

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
BlockId = Annotated[
    str, Field(description="Unique within the body; kept from revision to revision.", examples=["b1a2c3d"])
]
BlockLanguage = Annotated[str, Field(description="BCP 47 language tag, where it is not the article's.")]
BlockAnchor = Annotated[str, Field(description="The fragment that leads here, unique in the body.")]
Text = Annotated[
    str,
    Field(description="Plain text: a line feed is a line break, an empty line separates paragraphs of one block."),
]


class Mark(TypedDict):
    """A stretch of text from `start` up to, not including, `end` that means or looks different."""

    type: MarkType
    start: Offset
    end: Offset
    href: Annotated[
        str | None,
        Field(description="Where a link leads: a relative URL or one of http, https, mailto, tel, sms, geo and xmpp."),
    ]
    title: Annotated[
        str | None, Field(description="The tooltip of a link or picture, or what an abbreviation stands for.")
    ]
    src: NotRequired[
        Annotated[
            str,
            Field(
                description="Of an `image`: the address of the picture. The marked text is its alternative text, or "
                "U+FFFC where it has none."
            ),
        ]
    ]
    width: NotRequired[Annotated[int, Field(description="Of an `image`, in pixels.")]]
    height: NotRequired[Annotated[int, Field(description="Of an `image`, in pixels.")]]
    note: NotRequired[Annotated[str, Field(description="Of a `footnote`: the id of the note that it refers to.")]]
    anchor: NotRequired[Annotated[str, Field(description="Of an `anchor`: the fragment that leads here.")]]
    lang: NotRequired[Annotated[str, Field(description="Of a `span`: BCP 47 language tag.")]]
    dir: NotRequired[Annotated[Direction, Field(description="Of `span`, `isolate` and `override`.")]]


Marks = Annotated[list[Mark], Field(description="Marks over `text`; they may overlap.")]


class Inline(TypedDict):
    """Text with its marks."""

    text: Text
    marks: Marks


class Content(Inline):
    """What an entry, a cell or another container holds: text, or blocks where it holds more than that."""

    blocks: NotRequired[
        Annotated[
            "list[Block]",
            Field(description="All that it holds, in order. Absent where that is text; else `text` is their text."),
        ]
    ]


class Common(TypedDict):
    """What a block of any type may have."""

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
    """A quotation and, in `cite`, who or what is quoted; `text` holds the quotation alone."""

    id: BlockId
    type: Literal["quote"]
    text: Text
    marks: Marks
    cite: Inline | None
    blocks: NotRequired[
        Annotated["list[Block]", Field(description="The quotation in order, where it holds more than text.")]
    ]


class ListItem(Content):
    """One entry of a list, with the entries below it; where `blocks` is present it holds these, too."""

    items: "NestedList | None"
    value: NotRequired[Annotated[int, Field(description="Its number, where it is not the next one.")]]
    checked: NotRequired[Annotated[bool, Field(description="Of a task: whether it is done.")]]


class Numbering(TypedDict):
    """How the entries of a list are numbered."""

    ordered: bool
    start: Annotated[int, Field(ge=0, description="The number of the first entry of an ordered list.")]
    items: list[ListItem]
    style: NotRequired[Annotated[Literal["a", "A", "i", "I"], Field(description="Letters or Roman numerals.")]]
    reversed: NotRequired[Annotated[Literal[True], Field(description="Whether it counts down.")]]


class NestedList(Numbering, Common):
    """A list inside an entry of another."""


class ListBlock(Numbering, Common):
    """A list; `text` is the text of all entries, one a line, and `marks` are with the entries."""

    id: BlockId
    type: Literal["list"]
    text: Text
    marks: Marks


class ImageBlock(Common):
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


class GalleryBlock(Common):
    """Several pictures that belong together; `text` is their captions, one a line."""

    id: BlockId
    type: Literal["gallery"]
    text: Text
    marks: Marks
    images: list[ImageBlock]
    caption: Annotated[Inline | None, Field(description="The caption of the whole.")]


class MediaSource(TypedDict):
    """The same recording in another format."""

    src: str
    mime: str | None


class MediaTrack(TypedDict):
    """Timed text of a recording, such as subtitles (WebVTT)."""

    src: str
    kind: Literal["subtitles", "captions", "descriptions", "chapters", "metadata"]
    lang: str | None
    label: str | None
    default: bool


class MediaBlock(Common):
    """What audio and video have in common; `text` is the caption."""

    id: BlockId
    text: Text
    marks: Marks
    src: str
    mime: Annotated[str | None, Field(description="Media type, if it was given.")]
    title: str | None
    sources: Annotated[list[MediaSource], Field(description="Other formats.")]
    tracks: list[MediaTrack]


class AudioBlock(MediaBlock):
    """A recording to listen to."""

    type: Literal["audio"]


class VideoBlock(MediaBlock):
    """A film in a file of its own."""

    type: Literal["video"]
    poster: Annotated[str | None, Field(description="A picture to show before it plays.")]
    width: Annotated[int | None, Field(description="In pixels.")]
    height: Annotated[int | None, Field(description="In pixels.")]


class EmbedBlock(Common):
    """Something from elsewhere, such as a video or a post, to be shown by the front end; `text` is its caption."""

    id: BlockId
    type: Literal["embed"]
    text: Text
    marks: Marks
    url: str
    provider: Annotated[str | None, Field(description="The service, such as youtube, when it is a well-known one.")]
    title: str | None
    blocks: NotRequired[Annotated["list[Block]", Field(description="What a post says, for those who do not load it.")]]


class CodeBlock(Common):
    """Source code or other text whose spaces count."""

    id: BlockId
    type: Literal["code"]
    text: Text
    marks: Marks
    language: str | None


class TableCell(Content):
    """A cell; those that another one spans are empty."""

    header: NotRequired[Annotated[Literal[True], Field(description="Whether it heads a row or column.")]]
    scope: NotRequired[Annotated[Literal["row", "col", "rowgroup", "colgroup"], Field(description="What it heads.")]]
    align: NotRequired[Literal["left", "center", "right"]]
    colspan: NotRequired[Annotated[int, Field(ge=2)]]
    rowspan: NotRequired[Annotated[int, Field(ge=2)]]


class TableBlock(Common):
    """A rectangular table; `text` has a line for each row with tabs between cells, and `marks` are with the cells."""

    id: BlockId
    type: Literal["table"]
    text: Text
    marks: Marks
    header: Annotated[bool, Field(description="Whether the first row names the columns.")]
    rows: list[list[TableCell]]
    caption: Inline | None


class DividerBlock(Common):
    """A change of subject, usually shown as a line."""

    id: BlockId
    type: Literal["divider"]
    text: Text
    marks: Marks


class Definition(TypedDict):
    """Terms and what they mean."""

    terms: list[Inline]
    meanings: list[Content]


class DefinitionsBlock(Common):
    """A list of terms with their meanings; `text` has each on a line."""

    id: BlockId
    type: Literal["definitions"]
    text: Text
    marks: Marks
    items: list[Definition]


class DetailsBlock(Common):
    """Text that opens when its summary is chosen; `text` is all of it."""

    id: BlockId
    type: Literal["details"]
    text: Text
    marks: Marks
    summary: Inline
    open: Annotated[bool, Field(description="Whether it is open from the beginning.")]
    blocks: "list[Block]"


class BoxBlock(Common):
    """Something beside the text, such as a box of facts; `text` is all of it."""

    id: BlockId
    type: Literal["box"]
    text: Text
    marks: Marks
    kind: Annotated[str | None, Field(description="The word that its author gave it as a class, such as `factbox`.")]
    blocks: "list[Block]"


class Note(Content):
    """A footnote; marks of type `footnote` refer to its id."""

    id: str


class FootnotesBlock(Common):
    """The footnotes; `text` has each on a line, numbered."""

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
