"""A checker outside of this process, asked over HTTP before a comment is written."""
