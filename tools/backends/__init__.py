"""Real stores and sidecars, started on this machine for tests and the quickstart, and stopped without a trace."""
