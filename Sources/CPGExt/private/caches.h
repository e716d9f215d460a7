/*
 * caches.h: what a backend keeps beyond a client: plans, PL/pgSQL's compiled functions,
 * checks of domains, expressions of indexes and partitions, the text search configuration.
 * All of it was made in some environment; a client of another one must not get it.
 */
#ifndef CARPOOL_CACHES_H
#define CARPOOL_CACHES_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* environment.c: no environment, or several. */
#define CARPOOL_MIXED 0

struct config_generic;

/* The session's environment, outside of any function: equal in all backends; CARPOOL_MIXED: not known. */
extern uint64 carpool_environment(void);

/* Whether a setting is part of it. */
extern bool carpool_environment_has(const struct config_generic *setting);

/*
 * The session's login and settings have these fingerprints: by them its environment is
 * remembered, until a setting may have changed. forget: settings mean something else now.
 */
extern void carpool_environment_session(uint64 startup, uint64 settings);
extern void carpool_environment_forget(void);

/* cachefills.c: notices what is put into the caches; once in each backend, at its login. */
extern void carpool_cache_fills_open(void);

/*
 * Something was made in another environment than the session's: by SET LOCAL, in a function,
 * in a transaction that changed what names mean.
 */
extern bool carpool_cache_fills_mixed;

/* A user's immutable function became a constant of a plan: whatever it reads is read no more. */
extern bool carpool_cache_fills_folded;

/*
 * A user's immutable function ran outside of planning: it may have become a constant of a
 * domain's check or of a relation's expression, which are made without a plan.
 */
extern bool carpool_cache_fills_ran_immutable;

/* namechanges.c: names may have come to mean something else since the caches were dropped, as far as was heard. */
extern bool carpool_cache_names_changed;

/* caches.c: before ReadyForQuery outside a transaction: what its caches are worth from now on. */
extern void carpool_caches_ended(uint64 client);

/*
 * caches.c: whether the plans of the client that leaves are for nobody else: they may have
 * been made in several environments.
 */
extern bool carpool_caches_are_private(void);

/* caches.c: the session is the client's; another_role: the one before had another. */
extern void carpool_caches_enter(uint64 client, bool is_another, bool another_role);

/* caches.c: in a transaction. */
extern bool carpool_caches_self_test(StringInfo why);
#define CARPOOL_CACHES "caches"

/* cachedrop.c: makes PostgreSQL forget all of it, but for the plans that the agent keeps by their environment. */
extern void carpool_caches_drop(void);

/* cachedrop.c: checks of domains and expressions of relations only. */
extern void carpool_caches_drop_expressions(void);

/* cachedrop.c: whether what is to be dropped is found; in a transaction. */
extern bool carpool_caches_drop_test(StringInfo why);

/* plpgsqlcache.c: PL/pgSQL's compiled functions. works: as far as there are some, they are as we think. */
extern void carpool_plpgsql_drop(void);
extern void carpool_plpgsql_open(void);
extern bool carpool_plpgsql_works(StringInfo why);

/* plans.c: around ResetPlanCache(): the agent's plan sources are as valid as before. */
extern void carpool_plans_reset(void);

#endif
