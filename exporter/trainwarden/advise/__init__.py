"""What the guide advises: remedies for the problems that a run meets."""
