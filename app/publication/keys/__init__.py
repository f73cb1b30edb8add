"""API keys as administrators handle them: a key may be limited to sections, which are named by slug or id here."""
