"""All cases, in the table's order; the libraries that they compare are imported when a case is called."""

from benchmarks import commands, launching, loading, payloads, predicting, restoring, runs, tables

ON_PIXELS = (*runs.CASES, *payloads.CASES, *tables.CASES, *restoring.CASES, *predicting.CASES, *loading.CASES)
EVERY = (*ON_PIXELS, *commands.CASES, *launching.CASES)
