"""The sensors: one a file. Each reads into a frozen structure; turning that into metrics is another function."""
