"""One click in a mail ends what the mail came from (RFC 8058)."""
