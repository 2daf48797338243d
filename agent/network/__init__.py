"""The machine's network around the tunnel: interface, addresses, routes, rules, DNS, and the way back."""
