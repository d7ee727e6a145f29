"""The official client's command as it is, but pointed at another server.

KAGGLE_API_ENDPOINT=http://127.0.0.1:8000 python -m benchmarks.official kernels output me/kernel -p FOLDER
"""

import os
import sys

from kagglesdk import kaggle_env

kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = os.environ["KAGGLE_API_ENDPOINT"]

from kaggle.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
