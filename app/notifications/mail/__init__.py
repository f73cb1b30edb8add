"""Mail: what a letter says is read when it is sent, and sent only if it still should be."""
