"""Subscribers, as staff see them."""
