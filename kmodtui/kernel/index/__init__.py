"""Readers of the indexes that depmod writes."""
