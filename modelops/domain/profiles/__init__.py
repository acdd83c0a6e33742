"""Which settings a profile has, which values they take, and what an engine is started with for them.

`spec` and `hardware_spec` are the tables of settings; `setting` says what is declared of each. `reading`
turns plain values into a spec or names every problem, and `engine_args` turns a spec into a command line.
How the settings fare on a card is the subject of `modelops.domain.fit`; rows and files of profiles are those
of `modelops.models` and `modelops.profiles`.
"""
