"""The commands of `gptoss-edu`, one module each.

Each module has a docstring, which is its help, `add_arguments(parser)` and `run(args)`.
"""
