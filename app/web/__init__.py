"""HTTP without a subject: routing, responses, ETags, paging, rate limits, problem responses, the server."""
