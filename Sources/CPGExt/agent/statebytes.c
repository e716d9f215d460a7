/* statebytes.c: strings and numbers in a saved session, and fingerprints. */
#include "postgres.h"

#include "common/hashfn.h"

#include "../private/state.h"

/* Instead of the length of a string that is NULL. */
#define NO_STRING PG_UINT32_MAX

/* Appends bytes as they are in memory: a saved session never leaves the machine. */
static inline void
put(StringInfo to, const void *bytes, Size size)
{
	appendBinaryStringInfoNT(to, bytes, (int) size);
}

/* The next size bytes, which stay the buffer's. */
static const char *
take(StringInfo from, Size size)
{
	const char *bytes;

	if (size > (Size) (from->len - from->cursor))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("saved session ends at byte %d, within a field of %zu bytes",
						from->len, size)));
	bytes = from->data + from->cursor;
	from->cursor += (int) size;
	return bytes;
}

void
carpool_put_string(StringInfo to, const char *text)
{
	uint32		length = text == NULL ? NO_STRING : (uint32) strlen(text);

	put(to, &length, sizeof(length));
	if (text != NULL)
		put(to, text, length);
}

void
carpool_put_uint64(StringInfo to, uint64 value)
{
	put(to, &value, sizeof(value));
}

const char *
carpool_get_string(StringInfo from)
{
	uint32		length;

	memcpy(&length, take(from, sizeof(length)), sizeof(length));
	if (length == NO_STRING)
		return NULL;
	return pnstrdup(take(from, length), length);
}

uint64
carpool_get_uint64(StringInfo from)
{
	uint64		value;

	memcpy(&value, take(from, sizeof(value)), sizeof(value));
	return value;
}

uint64
carpool_fingerprint(uint64 seed, const void *bytes, Size size)
{
	uint64		hash = hash_bytes_extended(bytes, (int) size, seed);

	return hash != 0 ? hash : 1;
}
