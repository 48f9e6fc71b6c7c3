"""Things that go on: the monitor, actions, file watching."""
