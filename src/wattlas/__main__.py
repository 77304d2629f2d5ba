"""`python -m wattlas` is `wattlas`."""

import sys

from wattlas.cli.main import main

sys.exit(main())
