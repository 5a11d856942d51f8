"""A FHIR server over HTTP: requests are built by pure functions, sent in one place, and answered by types or errors."""
