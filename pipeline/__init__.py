"""What is done to documents: from input URIs to planned shards, prompts, engines and answers."""
