"""Everything about root: the protocol, the helper, and the client that starts it."""
