"""Outside contracts: each a thin translation onto the use cases of summaries."""
