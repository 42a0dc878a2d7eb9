"""`python -m infonoise_core`, for launchers that start modules."""

import sys

from infonoise_core.commands.cli import main

sys.exit(main())
