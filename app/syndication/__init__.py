"""What leaves the house for other systems: feeds, formats, changes, exports, and what partners may have."""
