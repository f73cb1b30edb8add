"""Anchors: passages of an article that readers speak of or editors ask about, found again in every new text."""
