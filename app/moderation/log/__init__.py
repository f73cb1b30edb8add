"""The moderation log: who or what decided about a comment, when and why; rows are added and never changed."""
