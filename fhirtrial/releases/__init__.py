"""
FHIR's releases: R5 resources become R4 or R4B, and come back the same.

One table (``mappings/releases/r4.yaml``) says what is not the same in both; it is checked against HL7's definitions of
both releases when it is loaded, and compiled both ways. ``Release`` is the way in.
"""
