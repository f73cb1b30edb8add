"""Calls to other servers: HTTP requests and SMTP."""
