"""Writes tables: the rows of records, and their bytes as CSV or Dataset-JSON. Nothing here touches a file."""
