"""The rules of modelops as pure functions of plain, frozen values.

Nothing in here knows Django, a database, the clock, the network, Docker or a GPU, so every rule can be tested
and replayed from values alone. `fit` says whether a model runs on given cards, `profiles` which settings a
profile may have, `switching` what a switch does next, and `engine_log` what an engine's log tells. The rooms
around it read the facts, ask here, and act on the answer.
"""
