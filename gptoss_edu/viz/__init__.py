"""Pictures of the model: Matplotlib figures and the trace explorer."""
