"""After a push: the log, the live table, metrics.csv, alarms, known failures, Ctrl-C."""
