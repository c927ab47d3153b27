"""How long values are shortened."""
