"""The timeline: events of every kind about modules, by anyone."""
