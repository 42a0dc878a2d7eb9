"""What one optimizer step takes: its noise, its rate, how fast it goes."""
