/*
 * environment.h: what PostgreSQL's answers to a text depend on beside the text: settings and the
 * current role.
 */
#ifndef CARPOOL_ENVIRONMENT_H
#define CARPOOL_ENVIRONMENT_H

#include "postgres.h"

/* environment.c: no environment, or several. */
#define CARPOOL_MIXED 0

struct config_generic;

/* The session's environment, outside of any function: equal in all backends; CARPOOL_MIXED: not known. */
extern uint64 carpool_environment(void);

/* effects.c: whether a setting is part of it. */
extern bool carpool_environment_has(const struct config_generic *setting);

/*
 * The session's login and settings have these fingerprints: by them its environment is
 * remembered, until a setting may have changed. forget: settings mean something else now.
 */
extern void carpool_environment_session(uint64 startup, uint64 settings);
extern void carpool_environment_forget(void);

#endif
