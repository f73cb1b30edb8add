"""The change feed: what followers of the public content have to read again or let go, without a gap."""
