"""Checkers of the notebooks' exercises: one file a chapter, and how they all mark."""
