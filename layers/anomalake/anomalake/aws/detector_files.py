"""Detector files in a folder or below an S3 prefix, ``NAME.yaml``, ``NAME.yml`` or ``NAME.json``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.definitions.detector_file import detector_document, detector_of
from anomalake.definitions.document import Node
from anomalake.records.errors import RecordInputError
from anomalake.records.keys import detector_file_keys, parse_detector_file_key
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectNotFound, ObjectStore


@dataclass(frozen=True, slots=True)
class DetectorFile:
    """A detector file as it is stored.

    Attributes
    ----------
    name
        Name of the detector, from that of the file.
    place
        URI of the file.
    body
        Its bytes.
    """

    name: str
    place: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A detector file in a listing.

    Attributes
    ----------
    keys
        Its key below the folder; several where a detector has more than one file, which is an error.
    written_at
        When it was written, if the store knows it.
    """

    keys: tuple[str, ...]
    written_at: datetime | None


class DetectorFiles:
    """The detector files of a stack.

    Parameters
    ----------
    uri
        ``s3://BUCKET/PREFIX`` or a folder, which need not exist. Relative paths of source data start at its parent.
    region, account
        Used in the ARNs of detectors whose files have no ARN.
    store
        The store of that folder. Default: the one at the URI.
    """

    def __init__(self, uri: str, region: str, account: str, store: ObjectStore | None = None) -> None:
        self._uri = uri
        self._store = store or open_store(uri, create=False)
        self._is_given = store is not None
        self._region = region
        self._account = account

    def names(self) -> list[str]:
        """Names of all detectors, sorted; raises `StoreError`."""
        return sorted(self.listed())

    def listed(self) -> dict[str, ListedFile]:
        """List the files by name of the detector; raises `StoreError`."""
        found: dict[str, ListedFile] = {}
        for entry in self._store.list(""):
            name = parse_detector_file_key(entry.key) if "/" not in entry.key else None
            if name is not None:
                others = found[name].keys if name in found else ()
                found[name] = ListedFile((*others, entry.key), entry.written_at)
        return found

    def read(self, name: str) -> Detector | None:
        """Read a detector's file; None if there is no file.

        Raises
        ------
        DetectorFileError
            The file is invalid, its detector has another name, or there are two files.
        StoreError
        """
        try:
            file = self.find(name)
        except RecordInputError as error:
            raise DetectorFileError((str(error),)) from error
        return self.parse(file) if file is not None else None

    def find(self, name: str, listed: ListedFile | None = None) -> DetectorFile | None:
        """Read the bytes of a detector's file; None if there is no file.

        Parameters
        ----------
        listed
            The file in a listing: no other key is tried.

        Raises
        ------
        DetectorFileError
            There are two files.
        RecordInputError
            The name is invalid.
        StoreError
        """
        found = []
        for key in detector_file_keys(name) if listed is None else listed.keys:
            try:
                found.append(DetectorFile(name, f"{self._store.uri}/{key}", self._store.get(key)))
            except ObjectNotFound:
                continue
        if len(found) > 1:
            raise DetectorFileError(
                (f"{found[0].place}: {found[1].place} exists too; expected one file for each detector",)
            )
        return found[0] if found else None

    def parse(self, file: DetectorFile) -> Detector:
        """Read the detector in a file; raises `DetectorFileError`."""
        return self.parse_document(file, self.document(file))

    def document(self, file: DetectorFile) -> Node:
        """Read the tree of a file; raises `DetectorFileError`."""
        try:
            text = file.body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DetectorFileError(
                (f"{file.place}: is not UTF-8: byte {error.start + 1}; expected YAML or JSON",)
            ) from error
        return detector_document(text, file.place)

    def parse_document(self, file: DetectorFile, document: Node) -> Detector:
        """Read the detector in the tree of a file; raises `DetectorFileError`."""
        data = self._uri.rstrip("/").rpartition("/")[0]
        detector = detector_of(document, file.place, data=data, region=self._region, account=self._account)
        if detector.name != file.name:
            raise DetectorFileError(
                (f"{file.place}: AnomalyDetectorName: {detector.name!r}: expected {file.name!r}, the name of the file",)
            )
        return detector

    def arn(self, name: str) -> str:
        """Return the ARN of a detector whose file has none."""
        return f"arn:aws:lookoutmetrics:{self._region}:{self._account}:AnomalyDetector:{name}"

    def put(self, name: str, body: bytes) -> None:
        """Write a detector's file: in place of the one that it has, or as ``NAME.json``.

        Raises
        ------
        RecordInputError
            The name is invalid.
        StoreError
        """
        keys = detector_file_keys(name)
        if not self._is_given:
            # A folder that was missing exists from now on.
            self._store = open_store(self._uri)
        used = [key for key in keys if self._store.exists(key)] or [f"{name}.json"]
        self._store.put(used[0], body)
        self._store.delete(used[1:])

    def delete(self, name: str) -> None:
        """Delete a detector's file, if there is one; raises `RecordInputError` and `StoreError`."""
        self._store.delete(detector_file_keys(name))
