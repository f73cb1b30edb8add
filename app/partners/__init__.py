"""Partners: early access to articles, and the log of what they read."""
