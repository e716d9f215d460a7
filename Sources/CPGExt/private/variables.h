/* variables.h: the static variables of the postgres program, as words in memory. */
#ifndef CARPOOL_VARIABLES_H
#define CARPOOL_VARIABLES_H

#include "postgres.h"

typedef struct CarpoolVariables
{
	void	  **first;
	void	  **end;
} CarpoolVariables;

/* variables.c: where they are; readable and writable throughout. */
extern CarpoolVariables carpool_variables(void);

#endif
