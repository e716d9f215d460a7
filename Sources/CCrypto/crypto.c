/*
 * crypto.c: see carpool_crypto.h
 */
#include "carpool_crypto.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* Where the caller has no bytes: OpenSSL takes NULL for "not given" in some places. */
static const uint8_t nothing[1];

static const uint8_t *
bytes_or_nothing(const uint8_t *bytes)
{
	return bytes != NULL ? bytes : nothing;
}

static bool
digest_with(const EVP_MD *algorithm, size_t size, const uint8_t *data, size_t length,
			uint8_t *digest)
{
	unsigned int written = 0;
	uint8_t		result[EVP_MAX_MD_SIZE];

	if (EVP_Digest(bytes_or_nothing(data), length, result, &written, algorithm, NULL) != 1 ||
		written != size)
	{
		memset(digest, 0, size);
		return false;
	}
	memcpy(digest, result, size);
	OPENSSL_cleanse(result, sizeof(result));
	return true;
}

bool
carpool_sha256(const uint8_t *data, size_t length, uint8_t *digest)
{
	return digest_with(EVP_sha256(), CARPOOL_SHA256_SIZE, data, length, digest);
}

bool
carpool_md5(const uint8_t *data, size_t length, uint8_t *digest)
{
	return digest_with(EVP_md5(), CARPOOL_MD5_SIZE, data, length, digest);
}

bool
carpool_hmac_sha256(const uint8_t *key, size_t key_length,
					const uint8_t *data, size_t length, uint8_t *mac)
{
	unsigned int written = 0;

	if (key_length > INT_MAX ||
		HMAC(EVP_sha256(), bytes_or_nothing(key), (int) key_length,
			 bytes_or_nothing(data), length, mac, &written) == NULL ||
		written != CARPOOL_SHA256_SIZE)
	{
		memset(mac, 0, CARPOOL_SHA256_SIZE);
		return false;
	}
	return true;
}

#define HMAC_BLOCK 64			/* bytes that SHA-256 takes at a time */

struct CarpoolPbkdf2
{
	EVP_MD	   *sha256;			/* fetched once: each use by name would look it up */
	EVP_MD_CTX *inner;			/* HMAC's two digests after their padded key */
	EVP_MD_CTX *outer;
	EVP_MD_CTX *work;
	uint8_t		last[CARPOOL_SHA256_SIZE];	/* of the latest iteration */
	uint8_t		key[CARPOOL_SHA256_SIZE];
};

/* One HMAC of the run's password over data, which may be mac itself. */
static bool
run_hmac(CarpoolPbkdf2 *run, const uint8_t *data, size_t length, const uint8_t *more,
		 size_t more_length, uint8_t *mac)
{
	return EVP_MD_CTX_copy_ex(run->work, run->inner) == 1 &&
		EVP_DigestUpdate(run->work, bytes_or_nothing(data), length) == 1 &&
		(more_length == 0 || EVP_DigestUpdate(run->work, more, more_length) == 1) &&
		EVP_DigestFinal_ex(run->work, mac, NULL) == 1 &&
		EVP_MD_CTX_copy_ex(run->work, run->outer) == 1 &&
		EVP_DigestUpdate(run->work, mac, CARPOOL_SHA256_SIZE) == 1 &&
		EVP_DigestFinal_ex(run->work, mac, NULL) == 1;
}

static bool
start_digest(const CarpoolPbkdf2 *run, EVP_MD_CTX *context, const uint8_t *key, uint8_t padding)
{
	uint8_t		block[HMAC_BLOCK];
	bool		good;

	for (size_t i = 0; i < HMAC_BLOCK; i++)
		block[i] = key[i] ^ padding;
	good = EVP_DigestInit_ex(context, run->sha256, NULL) == 1 &&
		EVP_DigestUpdate(context, block, HMAC_BLOCK) == 1;
	OPENSSL_cleanse(block, sizeof(block));
	return good;
}

/* RFC 2104: a key longer than a block is hashed first. */
static bool
start_run(CarpoolPbkdf2 *run, const uint8_t *password, size_t password_length,
		  const uint8_t *salt, size_t salt_length)
{
	static const uint8_t first_block[] = {0, 0, 0, 1};
	uint8_t		key[HMAC_BLOCK] = {0};
	bool		good = true;

	if (password_length > HMAC_BLOCK)
		good = carpool_sha256(password, password_length, key);
	else if (password_length > 0)
		memcpy(key, password, password_length);
	good = good && start_digest(run, run->inner, key, 0x36) &&
		start_digest(run, run->outer, key, 0x5c) &&
		run_hmac(run, salt, salt_length, first_block, sizeof(first_block), run->last);
	memcpy(run->key, run->last, sizeof(run->key));
	OPENSSL_cleanse(key, sizeof(key));
	return good;
}

CarpoolPbkdf2 *
carpool_pbkdf2_begin(const uint8_t *password, size_t password_length,
					 const uint8_t *salt, size_t salt_length)
{
	CarpoolPbkdf2 *run = OPENSSL_zalloc(sizeof(*run));

	if (run == NULL)
		return NULL;
	run->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	run->inner = EVP_MD_CTX_new();
	run->outer = EVP_MD_CTX_new();
	run->work = EVP_MD_CTX_new();
	if (run->sha256 != NULL && run->inner != NULL && run->outer != NULL && run->work != NULL &&
		start_run(run, password, password_length, salt, salt_length))
		return run;
	carpool_pbkdf2_end(run);
	return NULL;
}

bool
carpool_pbkdf2_step(CarpoolPbkdf2 *run, uint32_t iterations)
{
	while (iterations-- > 0)
	{
		if (!run_hmac(run, run->last, CARPOOL_SHA256_SIZE, NULL, 0, run->last))
			return false;
		for (size_t i = 0; i < CARPOOL_SHA256_SIZE; i++)
			run->key[i] ^= run->last[i];
	}
	return true;
}

void
carpool_pbkdf2_key(const CarpoolPbkdf2 *run, uint8_t *key)
{
	memcpy(key, run->key, CARPOOL_SHA256_SIZE);
}

void
carpool_pbkdf2_end(CarpoolPbkdf2 *run)
{
	if (run == NULL)
		return;
	EVP_MD_CTX_free(run->inner);
	EVP_MD_CTX_free(run->outer);
	EVP_MD_CTX_free(run->work);
	EVP_MD_free(run->sha256);
	OPENSSL_clear_free(run, sizeof(*run));
}

bool
carpool_random(uint8_t *buffer, size_t length)
{
	size_t		filled = 0;

	while (filled < length)
	{
		ssize_t		got = getrandom(buffer + filled, length - filled, 0);

		if (got > 0)
			filled += (size_t) got;
		else if (got == 0 || errno != EINTR)
			return false;
	}
	return true;
}

bool
carpool_equal(const uint8_t *one, const uint8_t *other, size_t length)
{
	return CRYPTO_memcmp(bytes_or_nothing(one), bytes_or_nothing(other), length) == 0;
}
