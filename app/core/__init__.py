"""What every room may use: settings, clock, ids, logs and problem classes."""
