"""Carries clinical trials between registries and FHIR servers, both ways, without loss."""

__version__ = "0.1.0"
