"""Definitions: detectors, metric sets, intervals and time formats."""
