/* variables.c: tells where the postgres program has its static variables. */
#include "postgres.h"

#include <link.h>
#include <unistd.h>

#include "private/variables.h"

/*
 * The first object is the program. Its last writable part has its variables; what of that
 * is made read-only after start is left out.
 */
static int
find_variables(struct dl_phdr_info *object, size_t size, void *argument)
{
	CarpoolVariables *variables = argument;
	uintptr_t	first = 0;
	uintptr_t	end = 0;
	uintptr_t	fixed_end = 0;

	for (int i = 0; i < object->dlpi_phnum; i++)
	{
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t	start = object->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_LOAD && (part->p_flags & PF_W))
		{
			first = start;
			end = start + part->p_memsz;
		}
		else if (part->p_type == PT_GNU_RELRO)
			fixed_end = TYPEALIGN(sysconf(_SC_PAGESIZE), start + part->p_memsz);
	}
	if (fixed_end > first && fixed_end < end)
		first = fixed_end;
	variables->first = (void **) TYPEALIGN(sizeof(void *), first);
	variables->end = (void **) TYPEALIGN_DOWN(sizeof(void *), end);
	return 1;
}

CarpoolVariables
carpool_variables(void)
{
	CarpoolVariables variables = {NULL, NULL};

	dl_iterate_phdr(find_variables, &variables);
	return variables;
}
