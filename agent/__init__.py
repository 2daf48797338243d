"""The agent: judgement of the machine, and the edges that carry out what was judged."""
