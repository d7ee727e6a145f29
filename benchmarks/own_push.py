"""The kit's own push of a folder that is ready, without the launch that makes it.

KAGGLE_API_ENDPOINT=http://127.0.0.1:8000 python -m benchmarks.own_push FOLDER
"""

import sys
from pathlib import Path

from lib.launching.kaggle.session import KaggleSession

if __name__ == "__main__":
    print(KaggleSession().push(Path(sys.argv[1]), timeout=None).slug)
