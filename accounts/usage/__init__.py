"""What was used: counted as answers end, summed per day, reported."""
