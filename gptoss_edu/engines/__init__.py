"""Engines behind one protocol: prompt ids in, token ids out."""
