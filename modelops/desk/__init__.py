"""What the operators' desk shows: one reading of everything, shared by all desks of a process.

`reading` reads the database into a snapshot of named parts, `feed` passes new snapshots on to whoever
follows. Nothing here knows HTTP; the ways to it are in `modelops.api`, `modelops.admin` and the roof.
"""
