"""What runs already is watched, and nothing more: attach, observe, follow its output, detach."""
