/* version.h: the version of the library, as in the names of the SQL scripts. */
#ifndef CARPOOL_VERSION_H
#define CARPOOL_VERSION_H

#define CARPOOL_VERSION "1.0"

#endif
