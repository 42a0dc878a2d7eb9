"""`python -m infonoise_bio`, for launchers that start modules."""

import sys

from infonoise_bio.cli import main

sys.exit(main())
