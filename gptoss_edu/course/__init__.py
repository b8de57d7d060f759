"""The course around the exercises: predictions, questions, the learner's folder, progress, the workshop."""
