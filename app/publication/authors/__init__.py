"""Authors: who writes the articles."""
