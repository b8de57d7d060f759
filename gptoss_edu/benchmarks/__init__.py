"""The measurements of `gptoss-edu bench`, one module each.

Each module has a docstring, which is its help, `add_arguments(parser)` and `run(args)`.
"""
