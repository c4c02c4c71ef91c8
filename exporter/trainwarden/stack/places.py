"""Where the services answer: the stack that is up here knows; else the configuration says."""

from collections.abc import Mapping

from trainwarden.chain.addresses import Addresses, resolve
from trainwarden.config import Config
from trainwarden.runs import identity
from trainwarden.stack.state import StackFolder


def find(config: Config, given: Mapping[str, str | None], folder: StackFolder | None = None) -> Addresses:
    """Every service's address. ``given``: by service, as the command line names them; None: not given.

    Raises ``ConfigurationError`` for a given address that is none, and ``StackError`` for a broken ``stack.json``.
    """
    return resolve(config, running(folder or StackFolder()), given)


def running(folder: StackFolder) -> dict[str, str]:
    """URLs by service of the stack that is up; empty where none is.

    A service that has died is among them: the stack's watchman starts it again at the same address.
    """
    state = folder.read()
    if state is None or identity.lives(state.watchman) is False:
        return {}
    return {service.name: service.url for service in state.services}
