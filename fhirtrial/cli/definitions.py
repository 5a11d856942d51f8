"""The definitions of everything of our own."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click

from fhirtrial.cli import options
from fhirtrial.cli.app import say
from fhirtrial.errors import UsageError


@click.command()
@click.option("--to", type=options.RELEASE, default="R5", show_default=True, help="The release of FHIR.")
@click.option("-o", "--output", metavar="FILE|DIR|-", default="-", help="Where to write; a DIR exists or ends with /.")
@click.option("--package", metavar="FILE.tgz", help="Write a FHIR package instead, which tools can install.")
@options.mappings
def definitions(*, to: str, output: str, package: str | None, mappings: str | None) -> None:
    """
    Write the definitions of everything of our own in the output: extensions, codes, searches.

    Code systems and value sets, concept maps, StructureDefinitions, SearchParameters and a CapabilityStatement, made of
    the mapping files. A DIR gets one file for each; else they are one transaction Bundle, which a server takes as it
    is: sent again, it changes nothing.

    \b
    Examples:
      fhirtrial definitions --to R4 -o definitions/
      fhirtrial definitions --to R4B --package fhirtrial.r4b.tgz
      fhirtrial definitions | curl -H 'Content-Type: application/fhir+json' -d @- http://localhost:8080/fhir
    """
    from fhirtrial.pipelines.output import write_file, write_folder
    from fhirtrial.publish.package import pretty
    from fhirtrial.publish.publication import definitions_for

    is_folder = Path(output).is_dir() or output.endswith("/")
    if package is not None and output != "-":
        raise UsageError("-o and --package: the definitions are written one way at a time")
    if package is not None and (Path(package).is_dir() or package.endswith("/")):
        raise UsageError(f"--package {package}: this is a folder; a package is one file")
    made = definitions_for(to, mappings=mappings)
    if package is not None:
        write_file(Path(package), made.package())
    elif is_folder:
        write_folder(Path(output), made.files())
    elif output == "-":
        sys.stdout.buffer.write(pretty(made.bundle()))
    else:
        write_file(Path(output), pretty(made.bundle()))
    counts = Counter(resource["resourceType"] for resource in made.resources)
    listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
    say(f"{counts.total():,} definitions for FHIR {to}: {listed}")
