"""The way forth: mapping nodes become Python that writes the JSON text of resources."""
