"""Controls for the notebooks, each with a fixed call beside it that needs no control."""
