"""Readers' comments of any other system, laid into threads here."""
