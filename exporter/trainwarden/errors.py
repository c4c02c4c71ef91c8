"""The errors that a user sees: one clear sentence that names the place and the mend."""


class TrainwardenError(Exception):
    """Something that the user can mend. The message is one sentence; the command line prints it and exits."""

    exit_code = 1


class ConfigurationError(TrainwardenError):
    """``trainwarden.yml`` or the command line asks for something that cannot be. Names file, path and mend."""

    exit_code = 2


class RunFolderError(TrainwardenError):
    """A file of a run folder is missing, unreadable or not what it should be."""


class CheckpointError(TrainwardenError):
    """A checkpoint or its folder cannot be used."""


class RefusedError(TrainwardenError):
    """A request that was understood and must not be carried out (a verb on the control socket, say)."""


class StackError(TrainwardenError):
    """The local stack cannot be brought up: a program is missing, a port is taken, a service died."""
