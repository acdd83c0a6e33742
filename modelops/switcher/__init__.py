"""The reconciler: looks at rows and engines, asks the domain what comes next, does it, writes it down."""
