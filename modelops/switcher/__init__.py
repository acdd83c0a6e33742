"""The reconciling process: observe rows and engines, decide the next step, carry it out, record it.

The only room that calls `modelops.runtimes`. `modelops.domain.switching` decides what comes next; switches
are asked for in `modelops.switching`.
"""
