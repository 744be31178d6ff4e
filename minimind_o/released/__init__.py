"""The authors' files: what they are, fetching them, and seeing what is there."""
