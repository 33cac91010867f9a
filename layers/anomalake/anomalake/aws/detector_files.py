"""Detector files in a folder or below an S3 prefix, ``NAME.yaml``, ``NAME.yml`` or ``NAME.json``."""

from __future__ import annotations

from anomalake.definitions.detector import Detector, DetectorFileError
from anomalake.definitions.detector_file import parse_detector
from anomalake.records.errors import RecordInputError
from anomalake.records.keys import detector_file_keys, parse_detector_file_key
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectNotFound


class DetectorFiles:
    """The detector files of a stack.

    Parameters
    ----------
    uri
        ``s3://BUCKET/PREFIX`` or a folder. Relative paths of source data start at its parent.
    region, account
        Used in the ARNs of detectors whose files have no ARN.
    """

    def __init__(self, uri: str, region: str, account: str) -> None:
        self._store = open_store(uri, create=False)
        self._region = region
        self._account = account

    def names(self) -> list[str]:
        """Names of all detectors, sorted; raises `StoreError`."""
        keys = (entry.key for entry in self._store.list(""))
        return sorted({name for key in keys if "/" not in key and (name := parse_detector_file_key(key)) is not None})

    def read(self, name: str) -> Detector | None:
        """Read a detector's file; None if there is no file.

        Raises
        ------
        DetectorFileError
            The file is invalid, its detector has another name, or there are two files.
        StoreError
        """
        try:
            keys = detector_file_keys(name)
        except RecordInputError as error:
            raise DetectorFileError((str(error),)) from error
        found = []
        for key in keys:
            try:
                found.append((f"{self._store.uri}/{key}", self._store.get(key)))
            except ObjectNotFound:
                continue
        if not found:
            return None
        if len(found) > 1:
            raise DetectorFileError((f"{found[0][0]}: {found[1][0]} exists too; expected one file for each detector",))
        ((place, body),) = found
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DetectorFileError(
                (f"{place}: is not UTF-8: byte {error.start + 1}; expected YAML or JSON",)
            ) from error
        data = self._store.uri.rstrip("/").rpartition("/")[0]
        detector = parse_detector(text, place, data=data, region=self._region, account=self._account)
        if detector.name != name:
            raise DetectorFileError(
                (f"{place}: AnomalyDetectorName: {detector.name!r}: expected {name!r}, the name of the file",)
            )
        return detector
