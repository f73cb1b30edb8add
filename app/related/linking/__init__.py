"""Linking: the terms of every public article, and from them the links of each to the others."""
