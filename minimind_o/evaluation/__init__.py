"""Measuring what the model says: transcription, error rates, intervals."""
