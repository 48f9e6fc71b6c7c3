"""A module that is being developed: its builds, and what happens at each rebuild."""
