"""Sections, tags, authors and series, by which articles are organised; notices and media, which articles show."""
