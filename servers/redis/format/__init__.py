"""How keys, replies and versions are written."""
