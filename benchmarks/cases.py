"""All cases, in the table's order; the libraries that they compare are imported when a case is called."""

from benchmarks import commands, launching, loading, payloads, predicting, restoring, runs, stepping, tables

ON_PIXELS = (*runs.CASES, *payloads.CASES, *tables.CASES, *restoring.CASES, *predicting.CASES, *loading.CASES)
TRAINING = stepping.CASES
EVERY = (*ON_PIXELS, *TRAINING, *commands.CASES, *launching.CASES)
