"""A small training that really trains: something to watch, to break and to resume, on any machine.

It prints, writes and resumes exactly as kohya-ss/sd-scripts does, and it has no private channel into trainwarden: it
imports nothing else of the package and is followed by what it prints and writes, like any other training.
"""
