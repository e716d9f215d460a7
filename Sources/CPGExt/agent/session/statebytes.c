/* statebytes.c: writes and reads strings and numbers of a saved session, and makes fingerprints. */
#include "postgres.h"

#include "private/ledger.h"
#include "private/statebytes.h"

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

const char *
carpool_get_text(StringInfo from, uint32 *length)
{
	memcpy(length, take(from, sizeof(*length)), sizeof(*length));
	return *length == NO_STRING ? NULL : take(from, *length);
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
	const char *text = carpool_get_text(from, &length);

	return text != NULL ? pnstrdup(text, length) : NULL;
}

uint64
carpool_get_uint64(StringInfo from)
{
	uint64		value;

	memcpy(&value, take(from, sizeof(value)), sizeof(value));
	return value;
}

static inline uint64
rotate(uint64 word, int bits)
{
	return word << bits | word >> (64 - bits);
}

/* The state of SipHash (Aumasson and Bernstein, 2012), and its round. */
typedef struct Sip
{
	uint64		a,
				b,
				c,
				d;
} Sip;

static inline void
round_of(Sip *sip)
{
	sip->a += sip->b;
	sip->b = rotate(sip->b, 13) ^ sip->a;
	sip->a = rotate(sip->a, 32);
	sip->c += sip->d;
	sip->d = rotate(sip->d, 16) ^ sip->c;
	sip->a += sip->d;
	sip->d = rotate(sip->d, 21) ^ sip->a;
	sip->c += sip->b;
	sip->b = rotate(sip->b, 17) ^ sip->c;
	sip->c = rotate(sip->c, 32);
}

static inline void
absorb(Sip *sip, uint64 word)
{
	sip->d ^= word;
	round_of(sip);
	sip->a ^= word;
}

/*
 * SipHash-1-3, keyed: what is equal decides on what is loaded, so no client may be able to
 * make two things that only look equal. The seed goes in front of the bytes.
 */
uint64
carpool_fingerprint(uint64 seed, const void *bytes, Size size)
{
	const uint64 *key = carpool_ledger->secret;
	const char *at = bytes;
	const char *end = at + size / sizeof(uint64) * sizeof(uint64);
	uint64		word;
	uint64		last = (uint64) size << 56;
	Sip			sip = {
		key[0] ^ UINT64CONST(0x736f6d6570736575), key[1] ^ UINT64CONST(0x646f72616e646f6d),
		key[0] ^ UINT64CONST(0x6c7967656e657261), key[1] ^ UINT64CONST(0x7465646279746573)
	};

	absorb(&sip, seed);
	for (; at < end; at += sizeof(word))
	{
		memcpy(&word, at, sizeof(word));
		absorb(&sip, word);
	}
	for (Size i = 0; i < size % sizeof(word); i++)
		last |= (uint64) (unsigned char) at[i] << (8 * i);
	absorb(&sip, last);
	sip.c ^= 0xff;
	round_of(&sip);
	round_of(&sip);
	round_of(&sip);
	word = sip.a ^ sip.b ^ sip.c ^ sip.d;
	return word != 0 ? word : 1;
}
