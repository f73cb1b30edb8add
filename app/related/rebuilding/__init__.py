"""Rebuilding: all terms and links anew, in batches beside a running server."""
