"""A code competition's hidden rerun, rehearsed on this machine before it costs a submission."""
