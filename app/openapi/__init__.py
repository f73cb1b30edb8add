"""The OpenAPI document beyond its routes: names of types, tags, servers, messages and examples."""
