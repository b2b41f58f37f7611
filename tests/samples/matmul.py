"""Samples of the matmul family."""

from tests.samples import ErrorSample, Sample

SAMPLES: list[Sample] = []
ERRORS: list[ErrorSample] = []
