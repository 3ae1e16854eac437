"""A seeded three-tier workload, a stand-in for the providers, and the truth to compare with."""
