"""The loop that sends."""
