"""Editing: making, changing and deleting articles before anyone sees them."""
