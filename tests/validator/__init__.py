"""
HL7's own rules as an independent judge of the output: used by the tests only.

``Validate.java`` and the files beside it are HAPI's validator, made stricter where it is silent; ``validator.py`` runs
it. It knows the definitions of `definitions.py`. What it may say without harm stands
in ``warnings.yaml``, each with a reason; what more it may say of resources that were made elsewhere, in ``foreign.yaml``. ``good.py`` and ``wrong.py`` are what it is itself judged by.

``python -m tests.validator`` judges what all shared records become, in each release.
"""
