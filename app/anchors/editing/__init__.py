"""What editors do with passages: ask about them, put them where they belong, take them off, black them out."""
