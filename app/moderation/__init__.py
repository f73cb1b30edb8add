"""Moderation: what is judged before it is shown, what waits for people, and what they decided."""
