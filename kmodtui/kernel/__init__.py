"""Reads one Linux system, through a Host."""
