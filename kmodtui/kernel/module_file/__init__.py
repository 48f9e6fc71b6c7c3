"""Readers of module files."""
