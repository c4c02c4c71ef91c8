"""The services of the chain, asked over HTTP: Prometheus, Alertmanager, Grafana, and our own two's ``/metrics``.

Reads only. Every question has a deadline, and every failure is an ``AskError`` of one sentence. Who walks the chain
(``trainwarden doctor``) or drills it gets the addresses from ``stack.places``, which knows the running stack.
"""
