"""
A real FHIR server for the tests: HAPI's, of each release, and what a network and a busy server do to its answers.

``HapiServer.java`` is the server, built once by Maven outside the tree; ``server.py`` starts and stops it; ``sharing.py``
lets all workers of a test run use the same one; ``proxy.py`` stands between a client and a server and does harm by plan.

``python -m tests.hapi`` starts one for a person; so does ``make hapi``.
"""
