/*
 * aead.c
 *
 * Bridge to OpenSSL's AES-256-GCM. One context a call: sealing is rare, and a context kept with its
 * key schedule would keep the key.
 */
#include "compat.h"

#include "crypto/aead.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"

static bool
encrypt(EVP_CIPHER_CTX *ctx, EVP_CIPHER *gcm, const AmAead *aead, const void *plain, int len,
		uint8 *out, uint8 *tag)
{
	int n;

	return EVP_EncryptInit_ex2(ctx, gcm, aead->key, aead->nonce, NULL) == 1 &&
		   EVP_EncryptUpdate(ctx, NULL, &n, aead->aad, (int) aead->aad_len) == 1 &&
		   EVP_EncryptUpdate(ctx, out, &n, plain, len) == 1 && n == len &&
		   EVP_EncryptFinal_ex(ctx, out + n, &n) == 1 &&
		   EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AM_AEAD_TAG_BYTES, tag) == 1;
}

void
am_aead_encrypt(const AmAead *aead, const void *plain, Size len, uint8 *out,
				uint8 tag[AM_AEAD_TAG_BYTES])
{
	EVP_CIPHER *gcm = am_openssl_aes256gcm();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx != NULL && encrypt(ctx, gcm, aead, plain, (int) len, out, tag);

	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		am_openssl_fail("encrypt a secret");
}

/* The tag is set first, so that EVP_DecryptFinal_ex compares it (in constant time). */
static bool
decrypt(EVP_CIPHER_CTX *ctx, const AmAead *aead, const uint8 *cipher, int len, const uint8 *tag,
		uint8 *out)
{
	int n;

	return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AM_AEAD_TAG_BYTES,
							   unconstify(uint8 *, tag)) == 1 &&
		   EVP_DecryptUpdate(ctx, NULL, &n, aead->aad, (int) aead->aad_len) == 1 &&
		   EVP_DecryptUpdate(ctx, out, &n, cipher, len) == 1 && n == len &&
		   EVP_DecryptFinal_ex(ctx, out + n, &n) == 1;
}

bool
am_aead_decrypt(const AmAead *aead, const uint8 *cipher, Size len,
				const uint8 tag[AM_AEAD_TAG_BYTES], uint8 *out)
{
	EVP_CIPHER *gcm = am_openssl_aes256gcm();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ready = ctx != NULL && EVP_DecryptInit_ex2(ctx, gcm, aead->key, aead->nonce, NULL) == 1;
	bool opened = ready && decrypt(ctx, aead, cipher, (int) len, tag, out);

	EVP_CIPHER_CTX_free(ctx);
	if (!ready)
		am_openssl_fail("decrypt a secret");
	if (!opened)
	{
		am_openssl_errors_clear();
		am_secret_wipe(out, len);
	}
	return opened;
}
