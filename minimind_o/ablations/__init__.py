"""One file per experiment; `python -m minimind_o.ablations NAME` runs one.

An experiment is a question, some settings that differ in one thing each, and what is
measured at the end. `recipe.py` holds what all of them share.
"""
