"""Everything of our own that a reader of the output needs, as FHIR resources of each release, and as a FHIR package."""
