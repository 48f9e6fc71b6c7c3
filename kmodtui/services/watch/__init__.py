"""Watching a module file that is being developed."""
