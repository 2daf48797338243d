"""Looking at the machine, one module per fact: each answers what was seen or `Unseen(why)`, and judges nothing."""
