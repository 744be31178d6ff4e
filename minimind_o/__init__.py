"""MiniMind-O, a small omni model: build it, train it, hear it, measure it.

Importing the package loads nothing heavy; torch comes with the modules that use it.
"""

__version__ = "0.1.0"
