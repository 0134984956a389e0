/*
 * seal.c
 *
 * Sealing and opening of secrets; the form is described in seal.h.
 */
#include "compat.h"

#include "crypto/aead.h"
#include "crypto/openssl.h"
#include "crypto/secret.h"
#include "lib/stringinfo.h"
#include "master_key.h"
#include "seal.h"

#define FORMAT       1
#define HEAD_BYTES   3
#define CIPHER_AT    (HEAD_BYTES + AM_AEAD_NONCE_BYTES)
#define PURPOSE_FORM "seal/%s"

StaticAssertDecl(AM_SEAL_OVERHEAD == CIPHER_AT + AM_AEAD_TAG_BYTES, "overhead of the sealed form");

static void
append_counted(StringInfo out, const char *text)
{
	Size len = strlen(text);
	uint8 count[4];

	if (len > AM_SEAL_NAME_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("the owner or object of a sealed secret is longer than %d bytes",
					   AM_SEAL_NAME_MAX));
	count[0] = 0;
	count[1] = 0;
	count[2] = (uint8) (len >> 8);
	count[3] = (uint8) len;
	appendBinaryStringInfo(out, (const char *) count, sizeof(count));
	appendBinaryStringInfo(out, text, (int) len);
}

static void
aad_build(StringInfo aad, const uint8 head[HEAD_BYTES], const AmSealName *name)
{
	initStringInfo(aad);
	appendBinaryStringInfo(aad, (const char *) head, HEAD_BYTES);
	append_counted(aad, name->purpose);
	append_counted(aad, name->owner);
	append_counted(aad, name->object);
}

/* The key lies in wiped memory: what follows may raise before the caller could wipe it. */
static uint8 *
key_derive(uint32 version, const AmSealName *name)
{
	char purpose[AM_PURPOSE_BYTES_MAX + 1];
	uint8 *key = am_secret_alloc(CurrentMemoryContext, AM_AEAD_KEY_BYTES);

	if (snprintf(purpose, sizeof(purpose), PURPOSE_FORM, name->purpose) >= (int) sizeof(purpose))
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("the purpose of a sealed secret is too long"));
	am_master_key_derive(version, purpose, key);
	return key;
}

bytea *
am_seal(const AmSealName *name, const void *secret, Size len)
{
	uint32 version = am_master_key_newest();
	uint8 *key;
	StringInfoData aad;
	AmAead aead;
	bytea *sealed;
	uint8 *out;

	if (len > AM_SEAL_BYTES_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("a secret to seal is longer than %d bytes", AM_SEAL_BYTES_MAX));
	sealed = palloc(VARHDRSZ + len + AM_SEAL_OVERHEAD);
	SET_VARSIZE(sealed, VARHDRSZ + len + AM_SEAL_OVERHEAD);
	out = (uint8 *) VARDATA(sealed);
	out[0] = FORMAT;
	out[1] = (uint8) (version >> 8);
	out[2] = (uint8) version;
	am_random_bytes(out + HEAD_BYTES, AM_AEAD_NONCE_BYTES);
	aad_build(&aad, out, name);
	key = key_derive(version, name);
	aead = (AmAead){key, out + HEAD_BYTES, aad.data, aad.len};
	am_aead_encrypt(&aead, secret, len, out + CIPHER_AT, out + CIPHER_AT + len);
	am_secret_wipe(key, AM_AEAD_KEY_BYTES);
	return sealed;
}

uint32
am_seal_version(const bytea *sealed)
{
	const uint8 *in = (const uint8 *) VARDATA_ANY(sealed);

	if (VARSIZE_ANY_EXHDR(sealed) < AM_SEAL_OVERHEAD || in[0] != FORMAT)
		return 0;
	return (uint32) in[1] << 8 | in[2];
}

static _Noreturn void
broken(const AmSealName *name, uint32 version, const char *hint)
{
	ereport(ERROR, errcode(ERRCODE_AM_SEAL_BROKEN),
			errmsg("sealed %s \"%s\" of \"%s\" does not open", name->purpose, name->object,
				   name->owner),
			errdetail("It was sealed under version %u of the master key.", version),
			errhint("%s", hint));
}

uint8 *
am_unseal(const AmSealName *name, const bytea *sealed, Size *len)
{
	const uint8 *in = (const uint8 *) VARDATA_ANY(sealed);
	uint32 version = am_seal_version(sealed);
	uint8 *key;
	StringInfoData aad;
	AmAead aead;
	uint8 *secret;
	bool opened;

	if (version == 0)
		broken(name, version, "The stored value has been altered; restore it from a backup.");
	if (!am_master_key_has(version))
		broken(name, version, "Add the line of that version to the master key file again.");
	*len = VARSIZE_ANY_EXHDR(sealed) - AM_SEAL_OVERHEAD;
	secret = am_secret_alloc(CurrentMemoryContext, *len + 1);
	aad_build(&aad, in, name);
	key = key_derive(version, name);
	aead = (AmAead){key, in + HEAD_BYTES, aad.data, aad.len};
	opened = am_aead_decrypt(&aead, in + CIPHER_AT, *len, in + CIPHER_AT + *len, secret);
	am_secret_wipe(key, AM_AEAD_KEY_BYTES);
	if (!opened)
		broken(name, version,
			   "The master key of that version is another one, or the row was altered or copied.");
	return secret;
}
