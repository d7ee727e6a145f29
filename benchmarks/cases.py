"""All cases, in the table's order; the libraries that they compare are imported when a case is called."""

from benchmarks import commands, launching, predicting, restoring, runs, tables

EVERY = (*runs.CASES, *tables.CASES, *restoring.CASES, *predicting.CASES, *commands.CASES, *launching.CASES)
