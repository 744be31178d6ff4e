"""The frozen models around the language model, each through its own library's class."""
