"""Whether the project works on a card, and how fast: named checks, one after another."""
