"""Whole nights: described in a few lines each, recorded as OpenMetrics, replayed through the shipped rules."""
