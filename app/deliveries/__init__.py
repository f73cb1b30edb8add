"""The outbox of everything that is sent to others, and the courier that sends it."""
