"""kmodtui: what Linux kernel modules do to a running kernel, in a terminal."""

__version__ = "0.1.0"
