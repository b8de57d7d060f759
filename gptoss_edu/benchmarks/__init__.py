"""What `gptoss-edu bench` measures, a module each.

A docstring that is its help, `add_arguments(parser)` and `run(args)`.
"""
