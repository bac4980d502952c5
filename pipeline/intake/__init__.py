"""From input URIs to planned shards: listing, census, sharding."""
