"""Recurrent layers, their cells, and layers that wrap others along the time axis."""
