"""Exposure: who can make the kernel load a module."""
