"""Learning from moderators what spam looks like: a naive Bayes classifier over hashed words."""
