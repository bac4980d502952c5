"""What is known of a run, in words; pure, shared by every display."""
