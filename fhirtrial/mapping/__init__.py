"""One mapping, two directions: mapping files are loaded, checked, and compiled forth and back."""
