"""Networks whose layers compute in several precisions, chosen for speed under a bound on what accuracy they lose."""
