"""Texts as what they can be compared by: pure functions of titles, words and weights."""
