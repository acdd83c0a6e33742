"""Django's PostgreSQL backend with bounds on each wait, and what a database's failures mean."""
