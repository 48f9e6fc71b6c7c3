"""The data model: frozen dataclasses and pure functions. No I/O, no clock."""
