"""What a user asks to trust the watch: which thresholds are in force and why, and whether every link of it holds."""
