/* settings.h: the settings table as GUCs. */
#ifndef CARPOOL_GUC_SETTINGS_H
#define CARPOOL_GUC_SETTINGS_H

#include "csettings.h"
#include "lib/stringinfo.h"

extern void carpool_settings_define(void);
extern const CarpoolSettings *carpool_settings_read(void);
extern const CarpoolSettings *carpool_settings_current(void);

/* As now, in any process. */
extern const char *carpool_settings_stateless_languages(void);
extern bool carpool_settings_stays_owner(void);
extern bool carpool_settings_times_agents(void);
extern bool carpool_settings_checks_agents(void);

/* Bytes that the state of one session, or of all, may take. */
extern Size carpool_settings_session_state(bool of_all);

/*
 * Whether a mechanism of carpool.self_test() is to be taken for not working; *why is told then, if
 * there is one.
 */
extern bool carpool_settings_breaks(const char *mechanism, StringInfo why);

#endif
