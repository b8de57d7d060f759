"""The agent: render, generate, parse, call, repeat."""
