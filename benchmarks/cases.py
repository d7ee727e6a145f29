"""All cases, in the table's order; the libraries that they compare are imported when a case is called."""

from benchmarks import commands, launching, payloads, restoring, runs, tables

EVERY = (*runs.CASES, *payloads.CASES, *tables.CASES, *restoring.CASES, *commands.CASES, *launching.CASES)
