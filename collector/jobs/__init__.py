"""What runs by the clock: derived tables and look-ups that readers rely on. Every job can be repeated safely."""
