"""Everything that is sent to somebody outside: one table, and the engine that sends."""
