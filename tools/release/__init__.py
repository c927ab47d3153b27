"""Releases: built from a commit alone, pushed by digest, with SBOMs and provenance beside them."""
