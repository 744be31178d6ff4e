"""Controls for the notebooks; beside each stands a fixed call that needs none."""
