"""Where alerts are told: each channel makes a message into what its service takes, and posts it."""
