"""Digests: what was gathered for a day or a week goes out in one mail, by the publication's clock."""
