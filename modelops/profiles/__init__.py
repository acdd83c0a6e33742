"""Where profiles come from and go to: the file in YAML, a repository on the Hugging Face hub, a copy.

`seeding` loads the file into rows and exports rows (`seed_yaml` parses, `seed_reading` validates,
`seed_result` reports), `reloading` does so for an operator, with a record in the audit trail, and `adding`
stores a profile that was proposed for a repository, whose facts `hub` fetches. Which settings are valid is
decided by `modelops.domain.profiles`. Whether a profile runs on a machine is asked of `modelops.fit`, which
changes no row.
"""
