"""The devices of a machine, and the modules that drive them or could."""
