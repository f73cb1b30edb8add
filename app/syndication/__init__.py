"""Syndication: the publication as others take it away, in the formats that their programs read."""
