"""Moderation of comments: the pipeline, the queue, decisions, appeals, reports, bans and watched phrases."""
