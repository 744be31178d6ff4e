"""`minimind-o serve`: the conversation as a page, for people without Jupyter."""
