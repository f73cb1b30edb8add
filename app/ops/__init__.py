"""Running a publication: health, metrics, API documentation, personal data, purging."""
