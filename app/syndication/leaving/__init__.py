"""Leaving: the whole publication, drafts and discussion included, in forms that other systems read."""
