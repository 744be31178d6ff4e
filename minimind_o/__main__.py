"""`python -m minimind_o …` is `minimind-o …`."""

import sys

from minimind_o.cli import main

sys.exit(main())
