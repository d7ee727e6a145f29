"""Before a push: the plan, the bundle, the card, and everything that would be refused later."""
