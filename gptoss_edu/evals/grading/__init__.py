"""Graders: from a question and a reply to a verdict. Each is tested against the cases in wrong_gradings.toml."""
