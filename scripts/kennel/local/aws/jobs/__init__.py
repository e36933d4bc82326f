"""Training, tuning and transform jobs."""
