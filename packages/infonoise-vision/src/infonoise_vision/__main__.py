"""`python -m infonoise_vision`, for launchers that start modules."""

import sys

from infonoise_vision.cli import main

sys.exit(main())
