"""The small world of gpt-oss-tiny: generators of conversations with known answers, and their graders."""
