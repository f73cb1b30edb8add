"""What the OpenAPI document says beyond the routes: names of types, tags, servers, messages and examples."""
