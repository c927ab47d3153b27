"""HTTP: the application, and the checks that a request passes."""
