"""Capture what the model computes, change it, and store it."""
