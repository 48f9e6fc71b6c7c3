"""Blocking modules: the rules that do it, and what they stop."""
