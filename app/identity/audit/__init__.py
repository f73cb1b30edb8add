"""Who did what: one row for every editorial and administrative action, in the action's own transaction."""
