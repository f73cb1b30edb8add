"""Authentication, permissions, the audit log, and idempotency keys."""
