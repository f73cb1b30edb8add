"""The queue: comments that wait for a moderator, and who is working on which."""
