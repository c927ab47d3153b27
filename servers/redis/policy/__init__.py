"""What may be sent to Redis."""
