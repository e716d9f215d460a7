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
