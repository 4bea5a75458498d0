"""What the two REST functions share: strict JSON, problem+json, CORS, conditional answers."""
