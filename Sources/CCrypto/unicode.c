/*
 * unicode.c: see carpool_unicode.h; scripts/unicode_tables.py makes the tables
 */
#include "carpool_unicode.h"

#include <stddef.h>

typedef struct Range
{
	uint32_t	first;
	uint32_t	last;
} Range;

/* Code points first … first + count - 1, each with `length` results from results[offset]. */
typedef struct Run
{
	uint32_t	first;
	uint16_t	count;
	uint16_t	length;
	uint32_t	offset;
} Run;

typedef struct Pair
{
	uint32_t	first;
	uint32_t	second;
	uint32_t	composed;
} Pair;

#include "unicode_results.h"
#include "unicode_tables.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool
in_ranges(uint32_t code, const Range *ranges, size_t count)
{
	size_t		low = 0;
	size_t		high = count;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (code > ranges[middle].last)
			low = middle + 1;
		else if (code < ranges[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

uint32_t
carpool_prep_class(uint32_t code)
{
	uint32_t	bits = 0;

	if (in_ranges(code, spaces, COUNT(spaces)))
		bits |= CARPOOL_PREP_SPACE;
	if (in_ranges(code, vanishing, COUNT(vanishing)))
		bits |= CARPOOL_PREP_NOTHING;
	if (in_ranges(code, prohibited, COUNT(prohibited)))
		bits |= CARPOOL_PREP_PROHIBITED;
	if (in_ranges(code, unassigned, COUNT(unassigned)))
		bits |= CARPOOL_PREP_UNASSIGNED;
	if (in_ranges(code, right_to_left, COUNT(right_to_left)))
		bits |= CARPOOL_PREP_RIGHT;
	if (in_ranges(code, left_to_right, COUNT(left_to_right)))
		bits |= CARPOOL_PREP_LEFT;
	return bits;
}

uint32_t
carpool_decompose(uint32_t code, uint32_t *result)
{
	size_t		low = 0;
	size_t		high = COUNT(runs);

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		const Run  *run = &runs[middle];

		if (code >= run->first + run->count)
			low = middle + 1;
		else if (code < run->first)
			high = middle;
		else
		{
			uint32_t	offset = run->offset + (code - run->first) * run->length;

			for (uint32_t i = 0; i < run->length; i++)
				result[i] = results[offset + i];
			return run->length;
		}
	}
	result[0] = code;
	return 1;
}

uint32_t
carpool_compose(uint32_t first, uint32_t second)
{
	size_t		low = 0;
	size_t		high = COUNT(pairs);

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;
		const Pair *pair = &pairs[middle];

		if (first > pair->first || (first == pair->first && second > pair->second))
			low = middle + 1;
		else if (first < pair->first || second < pair->second)
			high = middle;
		else
			return pair->composed;
	}
	return 0;
}
