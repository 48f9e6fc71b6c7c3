"""Gathers the events of the timeline, and records them."""
