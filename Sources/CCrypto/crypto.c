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

bool
carpool_pbkdf2_sha256(const uint8_t *password, size_t password_length,
					  const uint8_t *salt, size_t salt_length,
					  uint32_t iterations, uint8_t *key)
{
	if (password_length > INT_MAX || salt_length > INT_MAX ||
		iterations < 1 || iterations > INT_MAX ||
		PKCS5_PBKDF2_HMAC((const char *) bytes_or_nothing(password), (int) password_length,
						  bytes_or_nothing(salt), (int) salt_length,
						  (int) iterations, EVP_sha256(), CARPOOL_SHA256_SIZE, key) != 1)
	{
		memset(key, 0, CARPOOL_SHA256_SIZE);
		return false;
	}
	return true;
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
