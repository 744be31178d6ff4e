"""The command line with the tiny experiment in place of a real one, for torchrun."""

import sys

from minimind_o.ablations import __main__ as command
from tests.ablations import tiny

if __name__ == "__main__":
    command.load = lambda name: tiny.experiment()
    sys.exit(command.main())
