"""sekishod: the composition root, with the one clock, the one source of dice, and everything that is carried out."""
