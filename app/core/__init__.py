"""The base of all rooms: settings, clock, ids, logs and problem classes."""
