"""The mapping language: files are parsed, checked against FHIR and the registry's schema, and kept as nodes."""
