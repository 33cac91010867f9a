"""Detector files in a folder or below an S3 prefix, ``NAME.yaml``, ``NAME.yml`` or ``NAME.json``."""

from __future__ import annotations

from anomalake.definitions.detector import Detector, DetectorFileError, parse_detector
from anomalake.records.errors import RecordInputError
from anomalake.records.keys import detector_file_keys, parse_detector_file_key
from anomalake.storage.objects import open_store
from anomalake.storage.store import ObjectNotFound


class DetectorFiles:
    """Where the detector files of a stack lie.

    Parameters
    ----------
    uri
        ``s3://BUCKET/PREFIX`` or a folder; relative paths of source data begin beside it.
    region, account
        Of the ARNs of detectors whose files name none.
    """

    def __init__(self, uri: str, region: str, account: str) -> None:
        self._store = open_store(uri, create=False)
        self._region = region
        self._account = account

    def names(self) -> list[str]:
        """Names of all detectors, sorted; raises `StoreError`."""
        keys = (one.key for one in self._store.list(""))
        return sorted({name for key in keys if "/" not in key and (name := parse_detector_file_key(key)) is not None})

    def read(self, name: str) -> Detector | None:
        """Read a detector's file; None where there is none.

        Raises
        ------
        DetectorFileError
            It has problems, its detector has another name, or there are two such files.
        StoreError
            The store does not answer.
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
            raise DetectorFileError((f"{found[0][0]}: there is {found[1][0]} too; expected one file a detector",))
        ((place, body),) = found
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DetectorFileError(
                (f"{place}: is no UTF-8: byte {error.start + 1}; expected YAML or JSON",)
            ) from error
        data = self._store.uri.rstrip("/").rpartition("/")[0]
        detector = parse_detector(text, place, data=data, region=self._region, account=self._account)
        if detector.name != name:
            raise DetectorFileError(
                (f"{place}: AnomalyDetectorName: {detector.name!r}: expected {name!r}, as the file is called",)
            )
        return detector
