"""What a submission is on disk: tables, pictures in zips and folders, JSON; written and read as streams."""
