"""An article's body: a list of typed blocks, read from HTML or Markdown and rendered as HTML, Markdown and text."""
