"""All cases, in the table's order; the libraries that they compare are imported when a case is called."""

from benchmarks import commands, launching, restoring, runs, tables

EVERY = (*runs.CASES, *tables.CASES, *restoring.CASES, *commands.CASES, *launching.CASES)
