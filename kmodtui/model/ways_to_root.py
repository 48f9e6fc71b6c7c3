"""The ways to become root, by name."""

WAYS_TO_ROOT = ("root", "sudo", "doas", "run0", "pkexec")
"""In the order in which they are tried: the values of --elevate and of `elevate`."""
