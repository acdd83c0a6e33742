"""How stored profiles fit the cards at hand; everything here reads and nothing is stored.

`gpu_choice` says which cards a question is about, `last_starts` reads what earlier starts measured, and
`profile_fits` asks the fit check with both. `summary` has the answers as JSON values for the API, the command
line and the admin, and `batch` answers many questions that concern no profile. The check itself is pure and
lies in `modelops.domain.fit`; `modelops.profiles` is what changes profiles.
"""
