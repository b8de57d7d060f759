"""Triton kernels of the fast path: each reads the checkpoint's own layout and says in its docstring what it replaces."""
