"""What the rules cost in one Prometheus that watches many machines: ``make scale``."""
