"""The benchmark behind `make bench`: Carpool's two hosts, PgBouncer and a plain connection."""
