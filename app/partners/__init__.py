"""Partners: what they may read early, and the log of what they read."""
