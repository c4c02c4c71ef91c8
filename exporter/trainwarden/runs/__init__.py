"""The run folder: who writes what there, whether a run lives, and its output as progress."""
