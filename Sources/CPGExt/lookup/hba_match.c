/* hba_match.c: which line of pg_hba.conf holds for a connection; PostgreSQL's own rules. */
#include "postgres.h"

#include <netinet/in.h>

#include "libpq/ifaddr.h"

#include "private/rules.h"

/* Whether a list of databases holds the connection's. No connection of ours replicates. */
static bool
database_fits(const CarpoolConnection *connection, List *tokens)
{
	ListCell   *cell;

	foreach(cell, tokens)
	{
		const AuthToken *token = lfirst(cell);

		if (carpool_token_is(token, "all"))
			return true;
		if (carpool_token_is(token, "sameuser"))
		{
			if (strcmp(connection->database, connection->user) == 0)
				return true;
		}
		else if (carpool_token_is(token, "samerole") || carpool_token_is(token, "samegroup"))
		{
			if (carpool_is_member(connection->role, connection->database))
				return true;
		}
		else if (!carpool_token_is(token, "replication") && carpool_token_fits(token, connection->database))
			return true;
	}
	return false;
}

/* Whether a list of roles holds the connection's. */
static bool
role_fits(const CarpoolConnection *connection, List *tokens)
{
	ListCell   *cell;

	foreach(cell, tokens)
		if (carpool_role_token_fits(lfirst(cell), connection->user, connection->role))
			return true;
	return false;
}

/* Whether an address is in a network. */
static bool
in_network(const struct sockaddr_storage *address, const struct sockaddr_storage *network,
		   const struct sockaddr_storage *mask)
{
	return address->ss_family == network->ss_family && pg_range_sockaddr(address, network, mask);
}

/* What is looked for among the addresses of this host. */
typedef struct InterfaceSearch
{
	const struct sockaddr_storage *address;
	bool		network;		/* also the hosts of its networks */
	bool		found;
} InterfaceSearch;

/* Called for each address of this host. */
static void
look_at_interface(struct sockaddr *address, struct sockaddr *netmask, void *data)
{
	InterfaceSearch *search = data;
	struct sockaddr_storage own = {0};
	struct sockaddr_storage mask = {0};
	size_t		size = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
		: sizeof(struct sockaddr_in6);

	if (search->found || address->sa_family != search->address->ss_family)
		return;
	memcpy(&own, address, size);
	if (search->network)
		memcpy(&mask, netmask, size);
	else
		pg_sockaddr_cidr_mask(&mask, NULL, address->sa_family);
	search->found = in_network(search->address, &own, &mask);
}

/* Whether an address is this host's, or in one of its networks. */
static bool
near_here(const struct sockaddr_storage *address, bool network)
{
	InterfaceSearch search = {address, network, false};

	if (pg_foreach_ifaddr(look_at_interface, &search) < 0)
	{
		ereport(LOG, (errmsg("error enumerating network interfaces: %m")));
		return false;
	}
	return search.found;
}

/* Whether a host's name is the pattern, or ends in it where it starts with a dot. */
static bool
name_fits(const char *pattern, const char *name)
{
	size_t		length = strlen(name);
	size_t		tail = strlen(pattern);

	if (pattern[0] == '.')
		return tail <= length && pg_strcasecmp(pattern, name + length - tail) == 0;
	return pg_strcasecmp(pattern, name) == 0;
}

/* Whether a line's host name is that of the peer. */
static CarpoolMatch
host_fits(const CarpoolConnection *connection, const char *pattern)
{
	const char *name;

	if (!carpool_name_of(connection->peer, connection->peer_size, &name))
		return CARPOOL_NEEDS_NAME;
	return name[0] != '\0' && name_fits(pattern, name) ? CARPOOL_MATCHED : CARPOOL_NO_MATCH;
}

/* Whether a line of a TCP kind holds for the peer's address. */
static CarpoolMatch
address_fits(const CarpoolConnection *connection, const HbaLine *line)
{
	bool		fits = false;

	switch (line->ip_cmp_method)
	{
		case ipCmpMask:
			if (line->hostname)
				return host_fits(connection, line->hostname);
			fits = in_network(connection->peer, &line->addr, &line->mask);
			break;
		case ipCmpAll:
			fits = true;
			break;
		case ipCmpSameHost:
		case ipCmpSameNet:
			fits = near_here(connection->peer, line->ip_cmp_method == ipCmpSameNet);
			break;
	}
	return fits ? CARPOOL_MATCHED : CARPOOL_NO_MATCH;
}

/* Whether a line's kind of connection holds; ours are never encrypted. */
static CarpoolMatch
transport_fits(const CarpoolConnection *connection, const HbaLine *line)
{
	bool		is_local = connection->peer->ss_family == AF_UNIX;

	switch (line->conntype)
	{
		case ctLocal:
			return is_local ? CARPOOL_MATCHED : CARPOOL_NO_MATCH;
		case ctHostSSL:
		case ctHostGSS:
			return CARPOOL_NO_MATCH;
		case ctHost:
		case ctHostNoSSL:
		case ctHostNoGSS:
			return is_local ? CARPOOL_NO_MATCH : address_fits(connection, line);
	}
	return CARPOOL_NO_MATCH;
}

/*
 * Finds the first line that holds for a connection. CARPOOL_NO_MATCH is the implicit
 * reject. In a transaction, for the memberships of roles.
 */
CarpoolMatch
carpool_hba_match(const CarpoolConnection *connection, const HbaLine **line)
{
	ListCell   *cell;

	*line = NULL;
	foreach(cell, carpool_hba_lines())
	{
		const HbaLine *candidate = lfirst(cell);
		CarpoolMatch match;

		/* names first: they are cheap, and looking for a host is not */
		if (!database_fits(connection, candidate->databases) || !role_fits(connection, candidate->roles))
			continue;
		match = transport_fits(connection, candidate);
		if (match == CARPOOL_NO_MATCH)
			continue;
		if (match == CARPOOL_MATCHED)
			*line = candidate;
		return match;
	}
	return CARPOOL_NO_MATCH;
}
