"""The verbs that print and end, one file each; `kmodtui.cli` reads only the one that is asked for.

Each has `add_arguments(parser)` and `run(host, options)`, which returns the exit status.
"""
