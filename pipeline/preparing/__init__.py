"""From the slices of a shard to prompts of tokens: loading, rendering, tokenising."""
