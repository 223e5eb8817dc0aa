"""For tests, benchmarks and users: networks to work on, random models, comparison of results."""
