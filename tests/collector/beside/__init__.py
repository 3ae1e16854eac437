"""Other people's exporters, as their users start them; run by `make beside`, in an environment of their own."""
