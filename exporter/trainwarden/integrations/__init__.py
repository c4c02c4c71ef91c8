"""Ready callbacks for trainers. Each module imports its framework, so import only the one that you train with."""
