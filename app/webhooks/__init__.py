"""Webhooks: other programs are told of what becomes public, signed as Standard Webhooks has it."""
