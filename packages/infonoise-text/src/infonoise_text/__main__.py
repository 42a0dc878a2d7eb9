"""`python -m infonoise_text`, for launchers that start modules."""

import sys

from infonoise_text.cli import main

sys.exit(main())
