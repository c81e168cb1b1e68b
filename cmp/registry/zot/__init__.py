"""What only Zot tells: its search, and build times as it computes them."""
