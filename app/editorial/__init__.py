"""What editors tell each other: notes on drafts, tasks, and who edits what now. Nothing of it is ever public."""
