"""Signing in with a company's identity provider, by OpenID Connect (docs/sign-in.md, docs/adr/0023)."""
