"""``trainwarden status`` and ``watch``: the guide's table for this machine, its runs, and what uses its memory.

The readings are the exporter's, taken by the same collectors, and are compared with the thresholds that it exports; no
number of the guide stands here. They are taken by a child (``python -m trainwarden.status``), for a process that asks
a hung driver or a dead file system may not be able to end: whoever waits for the table must.
"""
