"""Samples of the reduce family."""

from tests.samples import ErrorSample, Sample

SAMPLES: list[Sample] = []
ERRORS: list[ErrorSample] = []
