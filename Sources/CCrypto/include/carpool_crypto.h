/*
 * carpool_crypto.h: the few primitives of logins, over OpenSSL's libcrypto (3.0 or later).
 *
 * Bytes belong to the caller; the functions keep and free none. A pointer may be NULL if its
 * length is 0. Functions of type bool return false if libcrypto refuses (out of memory, or an
 * algorithm that its configuration forbids, as MD5 in FIPS mode), and zero the result then.
 * Any thread may call them.
 */
#ifndef CARPOOL_CRYPTO_H
#define CARPOOL_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CARPOOL_SHA256_SIZE 32
#define CARPOOL_MD5_SIZE 16

/* digest: CARPOOL_SHA256_SIZE bytes. */
bool		carpool_sha256(const uint8_t *data, size_t length, uint8_t *digest);

/* mac: CARPOOL_SHA256_SIZE bytes. */
bool		carpool_hmac_sha256(const uint8_t *key, size_t key_length,
								const uint8_t *data, size_t length, uint8_t *mac);

/* digest: CARPOOL_MD5_SIZE bytes. */
bool		carpool_md5(const uint8_t *data, size_t length, uint8_t *digest);

/*
 * RFC 8018's PBKDF2 with HMAC-SHA-256 and a key of CARPOOL_SHA256_SIZE bytes, computed piece
 * by piece. begin returns NULL if libcrypto refuses; the caller ends what it has begun. step
 * returns false if libcrypto refuses; the run is of no use then. key writes the key of the
 * iterations done so far, at least 1.
 */
typedef struct CarpoolPbkdf2 CarpoolPbkdf2;
CarpoolPbkdf2 *carpool_pbkdf2_begin(const uint8_t *password, size_t password_length,
									const uint8_t *salt, size_t salt_length);
bool		carpool_pbkdf2_step(CarpoolPbkdf2 *run, uint32_t iterations);
void		carpool_pbkdf2_key(const CarpoolPbkdf2 *run, uint8_t *key);
void		carpool_pbkdf2_end(CarpoolPbkdf2 *run);

/* Fills buffer from the kernel's generator; returns false only if getrandom() does not work. */
bool		carpool_random(uint8_t *buffer, size_t length);

/* Returns true if the bytes are equal; the time it takes tells nothing but the length. */
bool		carpool_equal(const uint8_t *one, const uint8_t *other, size_t length);

#endif							/* CARPOOL_CRYPTO_H */
