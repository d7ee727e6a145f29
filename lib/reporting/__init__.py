"""Pictures of a run: overlays with a legend."""
