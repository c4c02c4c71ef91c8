"""Generates the dashboards under ``grafana/dashboards``: ``python -m grafana.build`` from the repository's root."""
