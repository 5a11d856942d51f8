"""A FHIR server, as an object."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import requests

from fhirtrial.errors import UsageError
from fhirtrial.release_names import RELEASES
from fhirtrial.resources import Resource
from fhirtrial.server import paging
from fhirtrial.server import request as build
from fhirtrial.server.address import Address
from fhirtrial.server.auth.auth import Auth
from fhirtrial.server.auth.nobody import Nobody
from fhirtrial.server.bundle_answer import BundleAnswer, read_bundle_answer
from fhirtrial.server.connection import Connection
from fhirtrial.server.courier import Courier, Noticed
from fhirtrial.server.dialect import Dialect, read_dialect, release_name
from fhirtrial.server.errors import Facts, UnexpectedAnswer, WrongVersion
from fhirtrial.server.outcome import Outcome
from fhirtrial.server.request import Parameters, Request, Return
from fhirtrial.server.response import Response, Written, read_written
from fhirtrial.server.retry import Retry
from fhirtrial.server.sender import Sender
from fhirtrial.server.status import reason
from fhirtrial.server.version import Version, read_version
from fhirtrial.server.wire import Wire
from fhirtrial.version import __version__


class FhirClient:
    """
    A FHIR server (https://hl7.org/fhir/R4/http.html), for one thread or several at once, and closed at the end.

    Args:
        base_url: the address of the server, as ``https://example.org/fhir``.
        auth: who asks; `fhirtrial.server.auth` has the ways. Nobody, if not given.
        release: the release of FHIR that is written: ``R4``, ``R4B`` or ``R5``. Before anything is written, or
            validated, it is compared with what the server speaks. None: it is not.
        dialect: what the server can do, if that is known better than its ``/metadata`` says.
        retry: how often a request is tried; each call can say otherwise.
        connection: certificates, proxy, timeouts, gzip.
        links: where links to further pages may lead: ``same``, ``rewrite``, or the address that a server behind a proxy
            believes to have.
        plain_http: whether credentials may be sent without encryption to another machine.
        user_agent: what stands before ``fhirtrial/…`` in the header of that name.
        noticed: is called before a request is sent again, in the thread that sends it.
        sessions: makes a session of requests; called again for each request that runs at the same time as others.
        clock: the seconds since the epoch.
        sleep: waits for some seconds.
        chance: a random number from 0 to 1.

    What every method may raise, beside what it says itself: ServerError and what is below it.

    A process that was forked needs a client of its own.

    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth | None = None,
        release: str | None = None,
        dialect: Dialect | None = None,
        retry: Retry | None = None,
        connection: Connection | None = None,
        links: str = "same",
        plain_http: bool = False,
        user_agent: str = "",
        noticed: Noticed = lambda _: None,
        sessions: Callable[[], requests.Session] = requests.Session,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.address = Address.parse(base_url)
        auth = auth or Nobody()
        if auth.is_secret and not self.address.is_private and not plain_http:
            raise UsageError(
                f"{self.address.text} is not encrypted: credentials are sent only to https, unless plain_http=True"
            )
        if release is not None and release not in RELEASES:
            raise UsageError(f"{release!r} is no release; known are {', '.join(RELEASES)}")
        if not user_agent.isascii() or not user_agent.isprintable():
            raise UsageError("the user agent holds a letter that a header cannot carry")
        self.release = release
        self.retry = retry or Retry()
        self._links = _links(links)
        self._dialect = dialect
        self._checked = release is None
        # Of the kind that a hook, called while it is held, may take again.
        self._lock = threading.RLock()
        connection = connection or Connection()
        self._wire = Wire(connection, sessions=sessions, clock=clock)
        self._sender = Sender(
            self.address,
            auth=auth,
            courier=Courier(
                wire=self._wire, retry=self.retry, clock=clock, sleep=sleep, chance=chance, noticed=noticed
            ),
            user_agent=f"{user_agent} fhirtrial/{__version__}".strip(),
            gzip=connection.gzip,
        )

    def __repr__(self) -> str:
        return f"FhirClient({self.address.text!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. The client may be used again all the same."""
        self._wire.close()

    # What the server is

    def capabilities(self) -> Resource:
        """The server's CapabilityStatement, asked for each time. https://hl7.org/fhir/R4/http.html#capabilities"""
        request = build.capabilities()
        response = self._sender.send(request)
        return self._resource(request, response, "CapabilityStatement")

    @property
    def dialect(self) -> Dialect:
        """What the server can do and is good at: from its ``/metadata``, asked for once."""
        with self._lock:
            if self._dialect is None:
                self._dialect = read_dialect(self.capabilities())
            return self._dialect

    def check_release(self) -> None:
        """
        Compares the release that is written with what the server speaks; done before the first write anyway.

        Raises WrongVersion if they differ, or if the server does not say what it speaks.
        """
        if self._checked:
            return
        dialect = self.dialect
        facts = Facts(server=self.address.text)
        if not dialect.fhir_version:
            raise WrongVersion(f"{self.address.text} does not say which version of FHIR it speaks", facts)
        spoken = release_name(dialect.fhir_version)
        if spoken != self.release:
            named = f"FHIR {dialect.fhir_version}" + (f" ({spoken})" if spoken else "")
            advice = f"use --to {spoken}" if spoken in RELEASES else f"there is --to {', '.join(RELEASES)} only"
            raise WrongVersion(
                f"{self.address.text} speaks {named}, and the resources are in {self.release}: {advice}; "
                "nothing was written",
                facts,
            )
        self._checked = True

    # Reading

    def read(self, kind: str, id: str, *, version: str = "", fresh: bool = True) -> Resource:
        """
        A resource, or a version of it. https://hl7.org/fhir/R4/http.html#read

        ``fresh`` asks for no answer from a cache. Raises NotFound if there is none, or no more (status 410).
        """
        request = build.read(kind, id, version=version, fresh=fresh)
        return self._resource(request, self._sender.send(request), kind)

    def search_pages(self, kind: str, parameters: Parameters = (), *, fresh: bool = True) -> Iterator[Resource]:
        """The Bundles that a search finds, each asked for when it is wanted. See `search`."""
        return self._pages(build.search(kind, parameters, fresh=fresh))

    def search(self, kind: str, parameters: Parameters = (), *, fresh: bool = True) -> Iterator[Resource]:
        """
        The resources that a search finds, page after page, with those it includes. https://hl7.org/fhir/R4/search.html

        Args:
            kind: the type of resource.
            parameters: as ``{"identifier": "system|value"}``, ``{"_id": "a,b,c", "_count": "200"}``; they go in a body
                where they are long. `fhirtrial.search_value.escaped` is for values that hold ``,`` or ``|``.
            fresh: asks for no answer from a cache.

        """
        for bundle in self.search_pages(kind, parameters, fresh=fresh):
            for entry in paging.entries(bundle):
                found = entry.get("resource")
                # https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.search.mode: remarks are no results
                if isinstance(found, dict) and (entry.get("search") or {}).get("mode") != "outcome":
                    yield found

    def history(self, kind: str, id: str = "", *, since: str = "", count: int | None = None) -> Iterator[Version]:
        """
        The versions of a resource, or of all of a type, the newest first. https://hl7.org/fhir/R4/http.html#history

        ``since`` is a FHIR instant; ``count`` how many a page shall have.
        """
        for bundle in self._pages(build.history(kind, id, since=since, count=count)):
            yield from map(read_version, paging.entries(bundle))

    # Writing

    def create(
        self, resource: Resource, *, unless: Parameters = (), prefer: Return = "minimal", study: str = ""
    ) -> Written:
        """
        Makes a resource; none if one matches ``unless``. https://hl7.org/fhir/R4/http.html#create

        Without ``unless`` it is sent once only where it is not certain that nothing was done: Unreachable then has
        ``perhaps_done``. Raises PreconditionFailed if several match.
        """
        return self._write(build.create(resource, unless=unless, prefer=prefer, study=study))

    def update(
        self,
        resource: Resource,
        *,
        match: Parameters = (),
        version: str = "",
        prefer: Return = "minimal",
        study: str = "",
    ) -> Written:
        """
        Makes a resource what is given. https://hl7.org/fhir/R4/http.html#update

        Args:
            resource: with its id, by which it is found, or under which it is made where nothing matches.
            match: finds it by a condition, as ``{"identifier": "system|value"}``.
            version: the version that it must have until now.
            prefer: what the server shall send back.
            study: what an error shall name.

        Raises:
            PreconditionFailed: several match, or it has another version (some servers say Conflict).
            WrongVersion: the server speaks another release.

        """
        return self._write(build.update(resource, match=match, version=version, prefer=prefer, study=study))

    def delete(self, kind: str, id: str = "", *, match: Parameters = (), version: str = "", study: str = "") -> Written:
        """
        Deletes a resource, by its id or by a condition; one that is gone already is no error.

        https://hl7.org/fhir/R4/http.html#delete. ``version`` is the one that it must have until now; not every server
        looks at it. Raises Conflict if others refer to it and the server minds, or if it has another version.
        """
        request = build.delete(kind, id, match=match, version=version, study=study)
        self.check_release()
        return self._written(request, self._sender.send(request, accept=(404, 410) if id else ()))

    def transaction(
        self,
        bundle: Resource,
        *,
        prefer: Return = "minimal",
        studies: Sequence[str] = (),
        retry: Retry | None = None,
    ) -> BundleAnswer:
        """
        Does all that a transaction says, or nothing. https://hl7.org/fhir/R4/http.html#transaction

        Args:
            bundle: of type ``transaction``.
            prefer: what the server shall send back of each entry.
            studies: the study of each entry, so that an error can name it.
            retry: how often this one is tried. It is sent again at all only if each entry may be done twice.

        Raises:
            TooLarge: it is too large, or takes too long: fewer entries may go.
            Conflict: it was in the way of others, again and again.
            PreconditionFailed: for an entry several match. ``entry`` and ``study`` say which, if the server does.
            UnexpectedAnswer: the answer is not one for each entry, or not that of a transaction (then it was perhaps
                done in part; ``answer`` has what could be read).

        """
        return self._bundle(bundle, "transaction", prefer, studies, retry)

    def batch(
        self,
        bundle: Resource,
        *,
        prefer: Return = "minimal",
        studies: Sequence[str] = (),
        retry: Retry | None = None,
    ) -> BundleAnswer:
        """
        Does each entry of a batch on its own; what failed is in ``errors`` of the answer. See `transaction`.

        https://hl7.org/fhir/R4/http.html#transaction
        """
        return self._bundle(bundle, "batch", prefer, studies, retry)

    def validate(self, resource: Resource, *, profile: str = "", study: str = "") -> Outcome:
        """
        What the server thinks of a resource, by ``profile`` if one is given; nothing is stored.

        https://hl7.org/fhir/R4/resource-operation-validate.html
        """
        request = build.validate(resource, profile=profile, study=study)
        self.check_release()
        # Some answer with these to a resource that is not valid; the operation itself went well.
        response = self._sender.send(request, accept=(412, 422))
        if response.outcome is None:
            raise UnexpectedAnswer("the answer is no OperationOutcome", request.facts(self.address.text, response))
        return response.outcome.changed(self._sender.blot)

    def _bundle(
        self, bundle: Resource, kind: str, prefer: Return, studies: Sequence[str], retry: Retry | None
    ) -> BundleAnswer:
        if bundle.get("type") != kind:
            raise UsageError(f"the bundle is a {bundle.get('type')!r}, not a {kind!r}")
        request = build.bundle(bundle, prefer=prefer, studies=studies)
        self.check_release()
        response = self._sender.send(request, retry=retry)
        return read_bundle_answer(
            request, response, bundle.get("entry") or [], kind, self.address.text, self._sender.blot
        )

    def _write(self, request: Request) -> Written:
        self.check_release()
        return self._written(request, self._sender.send(request))

    def _written(self, request: Request, response: Response) -> Written:
        headers = response.headers
        return read_written(
            status=response.status,
            location=headers.get("location") or headers.get("content-location") or "",
            etag=headers.get("etag", ""),
            last_modified=headers.get("last-modified", ""),
            content=response.content,
            method=request.method,
            blot=self._sender.blot,
        )

    def _pages(self, request: Request) -> Iterator[Resource]:
        return paging.pages(self._sender.send, request, self.address, self._links)

    def _resource(self, request: Request, response: Response, kind: str) -> Resource:
        resource = response.resource
        if resource is None or resource["resourceType"] != kind:
            kinds = resource["resourceType"] if resource else response.headers.get("content-type", "") or "empty"
            raise UnexpectedAnswer(
                f"{reason(response.status)}, but the answer is {kinds}, no {kind}; is this a FHIR server's address?",
                request.facts(self.address.text, response),
            )
        return resource


def _links(text: str) -> Any:
    """What `fhirtrial.server.paging` understands by an option's text. Raises UsageError if it is no address."""
    return text if text in ("same", "rewrite") else Address.parse(text)
