"""The suites that asv runs; what they measure with lies in the folder above."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
