"""Training: one loop for one process or many, `python -m minimind_o.training`."""
