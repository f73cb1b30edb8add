"""Partners: who is named for what before it is public, and the ledger of what they were given."""
