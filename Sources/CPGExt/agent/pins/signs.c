/*
 * signs.c: holds what hooks have seen, for all files that look at it; this file uses no other file
 * of the agent.
 */
#include "postgres.h"

#include "private/signs.h"

CarpoolSigns carpool_signs;
