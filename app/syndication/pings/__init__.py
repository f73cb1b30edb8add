"""Telling subscribers of our hub, and other hubs, that feeds have changed."""
