"""`python -m app` is the `broadsheet` command."""

from app.cli import main

main()
