"""
Loading: resources reach a server, or a folder, once, and a repeat changes nothing.

The way of a resource: read, mapped and released (`fhirtrial.pipelines`), named by its one business identifier
(``item``), compared with what was written before (``state``) and with what the target holds (``decision``), put into
bundles that cut no edge (``plan``), and written (``loader``). Where it is written to is a ``Target``.
"""
