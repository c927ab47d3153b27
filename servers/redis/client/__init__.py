"""The connection to Redis: redis-py, and nothing else, talks to it."""
