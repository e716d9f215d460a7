/* cledger.c: the ledger is all in its header; a target needs a source. */
#include "cledger.h"
