"""What generates: tiers, engines and their replicas, and how requests reach them."""
