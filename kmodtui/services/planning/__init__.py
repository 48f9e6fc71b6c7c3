"""Plans, the actions that carry them out, and undo."""
