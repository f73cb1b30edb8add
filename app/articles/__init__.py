"""Articles: what a publication publishes, with its revisions, states and addresses."""
