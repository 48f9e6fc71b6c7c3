"""Readers of kmod's configuration."""
