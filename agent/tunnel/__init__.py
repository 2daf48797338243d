"""One site's tunnel: an IKE session driven with datagrams and timers, its Child SAs handed to the data plane."""
