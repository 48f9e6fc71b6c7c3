"""Profiles: sets of modules that a system is unlikely to need, to be blocked together."""
