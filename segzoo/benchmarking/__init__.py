"""Many runs under one protocol: what they score, what they cost, and whether a difference is real."""
