"""``trainwarden up``: exporter, receiver, Prometheus and Alertmanager as one local stack, without Docker."""
