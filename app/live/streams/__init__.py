"""One open stream: what it follows, and what it has yet to send."""
