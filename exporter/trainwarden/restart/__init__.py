"""The restart: look again, decide with a reason, journal, act, and watch until the run steps again."""
