"""Samples of the elementwise family."""

from tests.samples import ErrorSample, Sample

SAMPLES: list[Sample] = []
ERRORS: list[ErrorSample] = []
