/*
 * carpool_unicode.h: the Unicode data that SASLprep (RFC 4013) needs.
 *
 * Swift's standard library knows combining classes but neither compatibility mappings nor
 * the Unicode 3.2 tables of stringprep (RFC 3454). The tables cover the code points that
 * Unicode 3.2 assigns: SASLprep refuses all others before they would be normalised, and
 * Unicode's stability policy keeps these mappings the same in every later version.
 */
#ifndef CARPOOL_UNICODE_H
#define CARPOOL_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* The longest decomposition (U+FDFA). */
#define CARPOOL_DECOMPOSITION_MAX 18

/* What stringprep's tables say of a code point; a set of bits. */
#define CARPOOL_PREP_SPACE		0x01	/* C.1.2: becomes a space */
#define CARPOOL_PREP_NOTHING	0x02	/* B.1: vanishes */
#define CARPOOL_PREP_PROHIBITED 0x04	/* C.1.2 to C.9, those of SASLprep */
#define CARPOOL_PREP_UNASSIGNED 0x08	/* A.1 */
#define CARPOOL_PREP_RIGHT		0x10	/* D.1: from right to left */
#define CARPOOL_PREP_LEFT		0x20	/* D.2: from left to right */

/* Returns the CARPOOL_PREP_… bits of a code point. */
uint32_t	carpool_prep_class(uint32_t code);

/*
 * Writes the full compatibility decomposition (NFKD) of one code point into result, which has
 * room for CARPOOL_DECOMPOSITION_MAX; returns how many it wrote. A code point that does not
 * decompose gives itself. Hangul syllables are left to the caller's arithmetic.
 */
uint32_t	carpool_decompose(uint32_t code, uint32_t *result);

/* Returns the code point that first and second compose to (canonically, no Hangul), or 0 if none. */
uint32_t	carpool_compose(uint32_t first, uint32_t second);

#endif							/* CARPOOL_UNICODE_H */
