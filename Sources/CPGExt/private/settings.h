/* settings.h: the settings table as GUCs. */
#ifndef CARPOOL_GUC_SETTINGS_H
#define CARPOOL_GUC_SETTINGS_H

#include "csettings.h"

extern void carpool_settings_define(void);
extern void carpool_settings_read(CarpoolSettings *settings);

#endif
