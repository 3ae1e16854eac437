"""How replies of providers look, one module a provider."""
