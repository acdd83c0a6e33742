"""The fit check: whether an engine with given settings starts on given cards, and how much it then serves.

`check` answers, with suggestions (`suggestions`, `aims`, from the changes in `moves`), and `demand`
asks which model holds so many users; `assessment` decides one case from the terms that `weights`,
`activation`, `overhead` and `kv_cache` estimate, each with its source in vLLM. `architecture` reads what
it needs from a model's config.json. What profiles are and how they are written is the subject of
`modelops.domain.profiles`; `modelops.fit` asks this check about stored profiles and these cards.
"""
