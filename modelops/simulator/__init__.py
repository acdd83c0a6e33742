"""A simulated vLLM: the same command line, start-up log, HTTP wire and failures, without a model.

Run it as vLLM is run (``python -m modelops.simulator serve MODEL --port 8000 …``) or, in tests,
through :func:`modelops.simulator.process.start_simulator`. It needs aiohttp and msgspec, no GPU,
no weights and no Django. Wire shapes and log lines follow vLLM 0.32/0.33.

It never hides what it is: replies begin by saying that they are simulated, the model card carries
``"simulated": true``, and ``/version`` and ``system_fingerprint`` end in ``simulated``.

vLLM's own flags are accepted (see ``flags.py``); an unknown one exits 2. Flags of the simulator:

==============================  =====================================================================
``--sim-startup-seconds S``     time from the first log line to ready (default 1.0)
``--sim-tokens-per-second R``   pace of each stream (default 60; 0 = as fast as possible)
``--sim-first-token-seconds S`` time to the first token (default 0.05)
``--sim-fault NAME``            a fault to act out; may be repeated (names: :mod:`.faults`)
``--sim-after N``               request faults: the first N requests are served well;
                                stream faults: strike after N tokens
``--sim-times N``               request and stream faults: strike at most N requests (0 = always)
``--sim-status CODE``           HTTP status for ``error_status`` (default 500)
``--sim-limit N``               the N of a start-up failure: estimated context, positions or heads
``--sim-exit-seconds S``        how long a dead engine still answers before it exits 0 (default 5)
==============================  =====================================================================

Differences from vLLM that were chosen: SIGTERM cuts the running streams and exits 0 at once, where
vLLM 0.32 was seen to fall silent and to stay until its clients left (``hang_on_sigterm`` does that);
a client that does not read slows its own stream down.

One request can choose its own pace and its own fault, so that one process serves many tests::

    {"vllm_xargs": {"sim_fault": "cut_mid_stream", "sim_after": 3, "sim_status": 503,
                    "sim_tokens_per_second": 500, "sim_first_token_seconds": 0}}

Only faults that harm nobody but that request are allowed this way (``PER_REQUEST_FAULTS``); a
gateway forwards unknown fields, so a stranger must not be able to kill the engine.

Replies depend on the messages and ``seed`` alone (``temperature: 0`` ignores the seed). ``min_tokens``
and ``ignore_eos`` with ``max_tokens`` give exactly that many tokens. As in vLLM the end-of-text token
is counted in ``completion_tokens`` and has its own chunk with empty content. ``/load`` counts only
with ``--enable-server-load-tracking``, as vLLM's does. ``logprobs`` are refused with 400.

The simulated model does every task, unlike a real one: it generates, embeds, classifies, scores and
transcribes. ``--runner``, ``--convert`` and ``--task`` make it do one (:mod:`.tasks`), and the paths of the
others are then not there, as with vLLM.

Tools are called by a plain rule (:mod:`.tools`), with arguments that follow their schemas; answers follow a
``response_format`` and ``structured_outputs`` (:mod:`.structured`). Images are measured by their headers, and
the reply says what came: none are taken with ``--language-model-only`` or a limit of 0 in
``--limit-mm-per-prompt``.
"""
