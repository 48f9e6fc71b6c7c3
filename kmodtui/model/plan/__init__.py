"""Plans of changes: what would happen, in order, and what prevents it."""
