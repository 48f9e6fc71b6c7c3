"""Root privileges: the ways to them and the session."""
