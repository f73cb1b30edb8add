"""Appeals: authors who ask to look again at what was decided about their comment."""
