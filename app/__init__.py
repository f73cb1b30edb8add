"""Broadsheet, a headless content API for publications."""
