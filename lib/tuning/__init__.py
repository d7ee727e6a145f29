"""A search over recipes: trials as trainings of their own, their records, Ray Tune around them, the results."""
