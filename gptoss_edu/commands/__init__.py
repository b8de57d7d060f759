"""The commands of `gptoss-edu`, one module each.

A docstring that is its help, `add_arguments(parser)` and `run(args)`.
"""
