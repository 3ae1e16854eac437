"""What alerts read and write in the store: baselines, events, deliveries, silences."""
