"""Explanations of one module: what it does, why it is loaded, why it cannot be unloaded."""
