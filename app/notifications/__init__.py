"""Notifications: who hears of what became public, once, by mail at once or in a digest."""
