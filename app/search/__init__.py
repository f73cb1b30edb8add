"""Search: the public articles that hold the words of a question, best first."""
