"""The way back: mapping nodes become Python that reads resources into a record."""
