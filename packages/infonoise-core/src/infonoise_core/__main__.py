"""`python -m infonoise_core`, for launchers that start modules."""

import sys

from infonoise_core.cli import main

sys.exit(main())
