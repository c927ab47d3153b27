"""Known vulnerabilities of what the images hold."""
