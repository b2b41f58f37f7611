"""Samples of the movement family."""

from tests.samples import ErrorSample, Sample

SAMPLES: list[Sample] = []
ERRORS: list[ErrorSample] = []
