"""The terminal of the dashboard: its modes, what is written to it, and what it sends."""
