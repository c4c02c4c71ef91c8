"""The HTTP edges: what Prometheus scrapes, and what Alertmanager calls. They do not know each other."""
