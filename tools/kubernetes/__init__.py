"""The chart on a Kubernetes that kubectl reaches: images loaded, release installed, state shown."""
