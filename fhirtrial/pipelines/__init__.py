"""Whole runs: read, map, write, with a summary; one bad record stops nothing."""
