/*
 * threadid.c: Swift's runtime remembers, for each thread, its number as the kernel has it, and
 * its locks are the kernel's priority-inheriting ones, which are held under that number. The
 * library is loaded in the postmaster, whose thread is remembered there; the worker is forked
 * from it, and its main thread would go on under the postmaster's number: a lock of the
 * runtime that another thread waits for is then never given back, and both threads ask for it
 * without end. So what was remembered is forgotten before any Swift runs in the worker.
 */
#include "postgres.h"

#include <link.h>

#include "miscadmin.h"

#include "private/host.h"

/* The thread-local variables of this library, in which its Swift runtime has its own. */
typedef struct Variables
{
	const void *code;			/* an address in the library */
	uint32	   *first;
	Size		count;
} Variables;

static bool
has_code(const struct dl_phdr_info *module, const void *code)
{
	for (int i = 0; i < module->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *part = &module->dlpi_phdr[i];
		uintptr_t	start = module->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_LOAD && (uintptr_t) code >= start && (uintptr_t) code < start + part->p_memsz)
			return true;
	}
	return false;
}

static int
find_variables(struct dl_phdr_info *module, size_t size, void *argument)
{
	Variables  *variables = argument;

	if (!has_code(module, variables->code))
		return 0;
	for (int i = 0; i < module->dlpi_phnum; i++)
		if (module->dlpi_phdr[i].p_type == PT_TLS && module->dlpi_tls_data != NULL)
		{
			variables->first = module->dlpi_tls_data;
			variables->count = module->dlpi_phdr[i].p_memsz / sizeof(uint32);
		}
	return 1;
}

/* Only a variable that is the only one with this number is taken for it. */
void
carpool_forget_thread_id(void)
{
	Variables	variables = {.code = (const void *) carpool_forget_thread_id};
	uint32	   *found = NULL;
	int			times = 0;

	(void) dl_iterate_phdr(find_variables, &variables);
	for (Size i = 0; i < variables.count; i++)
		if (variables.first[i] == (uint32) PostmasterPid)
		{
			found = &variables.first[i];
			times++;
		}
	if (times == 1)
		*found = 0;
	else if (times > 1)
		ereport(LOG, (errmsg("carpool worker: the Swift runtime's thread number is not found")));
}
