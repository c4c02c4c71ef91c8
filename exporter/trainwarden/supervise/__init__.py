"""`trainwarden run`: the keeper of one training, its supervisor, and the viewer of its output."""
