"""One way to look at, stop and start a run, one file each."""
