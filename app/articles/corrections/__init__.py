"""Corrections after they were made: changed or withdrawn, with what stood before kept for editors."""
