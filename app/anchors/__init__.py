"""Anchors: passages of an article that comments and prompts refer to, relocated in every new revision."""
