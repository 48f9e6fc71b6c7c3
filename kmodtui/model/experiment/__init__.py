"""The experiment: a module is loaded and unloaded again, and compared."""
