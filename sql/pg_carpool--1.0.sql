/* pg_carpool--1.0.sql: the SQL objects of Carpool 1.0. */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_carpool" to load this file. \quit

CREATE FUNCTION carpool.require(version text) RETURNS void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'carpool_require';
COMMENT ON FUNCTION carpool.require(text) IS 'fails when the loaded library is older than this version';

SELECT carpool.require('1.0');

CREATE FUNCTION carpool.version() RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'carpool_version';
COMMENT ON FUNCTION carpool.version() IS 'version of the library that the server has loaded';

GRANT USAGE ON SCHEMA carpool TO PUBLIC;
REVOKE ALL ON FUNCTION carpool.require(text) FROM PUBLIC;

CREATE FUNCTION carpool.pins(
	OUT pid integer, OUT database oid, OUT role oid, OUT client_process_id integer, OUT reasons text[])
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'carpool_pins';
COMMENT ON FUNCTION carpool.pins() IS 'servers that their clients keep between transactions, and why';

CREATE FUNCTION carpool.agents(
	OUT pid integer, OUT attached bigint, OUT saved bigint, OUT loaded bigint, OUT pinned bigint,
	OUT ended bigint, OUT ended_ns bigint, OUT attach_ns bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'carpool_agents';
COMMENT ON FUNCTION carpool.agents() IS 'what the agents in the pooled backends have done';

CREATE FUNCTION carpool.pin_counts(OUT reason text, OUT times bigint) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'carpool_pin_counts';
COMMENT ON FUNCTION carpool.pin_counts() IS 'how often each reason to keep a server began since the start';

CREATE FUNCTION carpool.self_test(OUT mechanism text, OUT works boolean, OUT why text) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'carpool_self_test';
COMMENT ON FUNCTION carpool.self_test() IS 'tries what the agents do with private parts of PostgreSQL';

CREATE FUNCTION carpool.wrong_sessions() RETURNS bigint
	LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'carpool_wrong_sessions';
COMMENT ON FUNCTION carpool.wrong_sessions() IS
	'how often a message was stopped in another client''s session since the start; more than 0 is a bug of carpool';

REVOKE ALL ON FUNCTION carpool.wrong_sessions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION carpool.wrong_sessions() TO pg_monitor;
REVOKE ALL ON FUNCTION carpool.agents(), carpool.pins(), carpool.pin_counts(), carpool.self_test() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION carpool.agents(), carpool.pins(), carpool.pin_counts(), carpool.self_test() TO pg_monitor;
