"""The verbs: commands that print to standard output and exit, one module each.

Each module has `add_arguments(parser)` and `run(host, options)`, which returns the exit
status. `kmodtui.cli` imports only the verb that was typed.
"""
