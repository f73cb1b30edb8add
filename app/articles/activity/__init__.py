"""Activity: how much readers did with each article in the last day, week and month, kept as it happens."""
