"""The version, said once: the build reads it from here, and asking the installed package would cost 2 MB of memory."""

VERSION = "0.1.0"
