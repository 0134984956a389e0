/*
 * key.c
 *
 * The SQL functions that change the signing keys. All of them take the same lock on the table first
 * and look at the rows after it, so of two callers the second sees what the first did.
 *
 * No state is stored: activates_at and retires_at say everything, so nothing has to run when the
 * hour comes. See keyring.h for what the states mean.
 */
#include "compat.h"

#include "audit.h"
#include "clock.h"
#include "crypto/jwk.h"
#include "crypto/secret.h"
#include "interval.h"
#include "key_material.h"
#include "lib/stringinfo.h"
#include "master_key.h"
#include "seal.h"
#include "spi.h"

#define OVERLAP_MAX_US   (INT64CONST(3660) * USECS_PER_DAY)
#define SECRET_BYTES_MAX AM_PKEY_TEXT_BYTES_MAX
#define KEY_COLUMNS      10

PG_FUNCTION_INFO_V1(authmeter_key_import);
PG_FUNCTION_INFO_V1(authmeter_key_generate);
PG_FUNCTION_INFO_V1(authmeter_key_rotate);
PG_FUNCTION_INFO_V1(authmeter_key_retire);
PG_FUNCTION_INFO_V1(authmeter_key_reseal);

static AmPlan lock_plan = {
	"LOCK TABLE authmeter.signing_key IN SHARE ROW EXCLUSIVE MODE", 0, {0}, NULL};
static AmPlan insert_plan = {
	"INSERT INTO authmeter.signing_key (ring, kid, alg, secret, public_jwk, kid_in_header, "
	"verify_only, created_at, activates_at, retires_at) "
	"VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb, $6, $7, $8, $9, $10)",
	KEY_COLUMNS,
	{TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID, BOOLOID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	 TIMESTAMPTZOID},
	NULL};
static AmPlan replace_plan = {"UPDATE authmeter.signing_key SET retires_at = $2 "
							  "WHERE ring" AM_EQ "$1 AND retires_at IS NULL AND NOT verify_only",
							  2,
							  {TEXTOID, TIMESTAMPTZOID},
							  NULL};
static AmPlan retire_plan = {"UPDATE authmeter.signing_key SET retires_at = $3 WHERE ring" AM_EQ
							 "$1 AND kid" AM_EQ "$2",
							 3,
							 {TEXTOID, TEXTOID, TIMESTAMPTZOID},
							 NULL};
static AmPlan reseal_plan = {"UPDATE authmeter.signing_key SET secret = $3 WHERE ring" AM_EQ
							 "$1 AND kid" AM_EQ "$2",
							 3,
							 {TEXTOID, TEXTOID, BYTEAOID},
							 NULL};

/* A row about to be made. */
typedef struct NewKey
{
	const char *ring;
	AmKeyMaterial material;
	bool kid_in_header;
	bool verify_only;
	TimestampTz now;
	TimestampTz activates_at;
} NewKey;

static _Noreturn void
argument_refuse(const char *what, const char *rule)
{
	ereport(ERROR, errcode(ERRCODE_AM_ARGUMENT_INVALID), errmsg("%s is missing or malformed", what),
			errhint("%s", rule));
}

static char *
arg_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* The same rule as the table's CHECK, but with a hint. */
static char *
arg_ring(FunctionCallInfo fcinfo, int n)
{
	char *ring = arg_text(fcinfo, n);
	Size len = ring != NULL ? strlen(ring) : 0;

	if (len < 1 || len > AM_RING_NAME_BYTES_MAX || strchr("_.:-", ring[0]) != NULL ||
		strspn(ring, "abcdefghijklmnopqrstuvwxyz0123456789_.:-") != len)
		argument_refuse("the name of a key ring",
						"Use 1 to 63 characters of a-z, 0-9, '_', '.', ':' and '-', beginning with "
						"a letter or digit.");
	return ring;
}

static amc_alg
alg_parse(const char *name)
{
	amc_alg alg = name != NULL ? amc_alg_parse(name, strlen(name)) : AMC_ALG_NONE_OF_OURS;

	if (alg == AMC_ALG_NONE_OF_OURS)
		argument_refuse("the algorithm", "Use HS256, RS256, ES256 or EdDSA.");
	return alg;
}

static void
kid_check(const char *kid)
{
	Size len = strlen(kid);
	Size i;

	for (i = 0; i < len; i++)
		if (kid[i] < 0x20 || kid[i] > 0x7e)
			break;
	if (len == 0 || len > AMC_JWS_KID_BYTES_MAX || i < len)
		argument_refuse("the kid", "Use 1 to 256 printable ASCII characters.");
}

/* Reads the key a caller handed in; a detoasted copy of the argument is wiped at the end. */
static void
arg_material(FunctionCallInfo fcinfo, int n, amc_alg alg, AmKeyMaterial *material)
{
	struct varlena *given;

	if (PG_ARGISNULL(n))
		argument_refuse("the secret", "Pass a secret, or a key as PEM or JWK.");
	given = PG_GETARG_VARLENA_PP(n);
	if ((Pointer) given != PG_GETARG_POINTER(n))
		am_secret_watch(CurrentMemoryContext, given, VARSIZE_ANY(given));
	if (VARSIZE_ANY_EXHDR(given) > SECRET_BYTES_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("the secret is longer than %d bytes", SECRET_BYTES_MAX));
	am_key_material_read(alg, VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), material);
}

static void
table_lock(void)
{
	am_spi_begin();
	am_spi_run(&lock_plan, NULL, NULL, 0);
	am_spi_end();
}

static void
audit(const char *action, const char *ring, const char *kid, amc_alg alg)
{
	AmAuditPair pairs[] = {{"ring", ring}, {"kid", kid}, {"alg", amc_alg_name(alg)}};
	AmAuditEvent event = {.action = action, .outcome = "ok"};

	event.detail = am_audit_detail(pairs, lengthof(pairs));
	am_audit_append(&event);
}

static void
capacity_check(const AmRing *ring, TimestampTz now)
{
	int live = 0;
	int i;

	for (i = 0; ring != NULL && i < ring->count; i++)
		live += am_key_verifies(&ring->keys[i], now) ? 1 : 0;
	if (live >= AM_RING_KEYS_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("key ring \"%s\" holds %d keys in force already", ring->name, live),
				errhint("Retire one with authmeter.key_retire."));
}

static void
kid_free_check(AmRing *ring, const char *kid)
{
	if (ring != NULL && am_ring_key(ring, kid, strlen(kid)) != NULL)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_STATE),
				errmsg("key ring \"%s\" has had a key \"%s\" already", ring->name, kid),
				errhint("Give another kid; that of a retired key is not used again."));
}

static void
no_signer_check(AmRing *ring, TimestampTz now)
{
	int i;

	for (i = 0; ring != NULL && i < ring->count; i++)
		if (!ring->keys[i].verify_only && am_key_verifies(&ring->keys[i], now))
			ereport(ERROR, errcode(ERRCODE_AM_KEY_STATE),
					errmsg("key ring \"%s\" has a signing key already", ring->name),
					errhint("Replace it with authmeter.key_rotate, or pass verify_only => true."));
}

static void
key_insert(const NewKey *key)
{
	const AmKeyMaterial *m = &key->material;
	char nulls[KEY_COLUMNS + 1] = "         n";
	Datum values[KEY_COLUMNS] = {0};
	StringInfoData jwk;

	values[0] = CStringGetTextDatum(key->ring);
	values[1] = CStringGetTextDatum(m->kid);
	values[2] = CStringGetTextDatum(amc_alg_name(m->alg));
	nulls[3] = m->secret == NULL ? 'n' : ' ';
	if (m->secret != NULL)
		values[3] =
			PointerGetDatum(am_key_seal(key->ring, m->kid, m->alg, m->secret, m->secret_len));
	nulls[4] = m->pkey == NULL ? 'n' : ' ';
	if (m->pkey != NULL)
	{
		initStringInfo(&jwk);
		am_jwk_append(&jwk, m->pkey, m->kid);
		values[4] = CStringGetTextDatum(jwk.data);
	}
	values[5] = BoolGetDatum(key->kid_in_header);
	values[6] = BoolGetDatum(key->verify_only);
	values[7] = TimestampTzGetDatum(key->now);
	values[8] = TimestampTzGetDatum(key->activates_at);
	am_spi_begin();
	am_spi_run(&insert_plan, values, nulls, 0);
	am_spi_end();
}

/* Adds a key as the ring's first one, or beside a signing key when it only verifies. */
static Datum
key_add(NewKey *key, const char *action)
{
	AmRing *ring;
	AmKey *present;

	table_lock();
	key->now = key->activates_at = am_clock_now();
	ring = am_ring_find(key->ring, strlen(key->ring));
	present = am_key_material_find(&key->material, ring, key->now);
	if (present != NULL)
		return CStringGetTextDatum(present->kid);
	if (!key->verify_only)
		no_signer_check(ring, key->now);
	capacity_check(ring, key->now);
	kid_free_check(ring, key->material.kid);
	key_insert(key);
	audit(action, key->ring, key->material.kid, key->material.alg);
	return CStringGetTextDatum(key->material.kid);
}

/* authmeter.key_import(ring, secret text | bytea, alg, kid, kid_in_header, verify_only) */
Datum
authmeter_key_import(PG_FUNCTION_ARGS)
{
	NewKey key = {.ring = arg_ring(fcinfo, 0)};
	amc_alg alg = alg_parse(arg_text(fcinfo, 2));

	arg_material(fcinfo, 1, alg, &key.material);
	if (!PG_ARGISNULL(3))
		key.material.kid = arg_text(fcinfo, 3);
	kid_check(key.material.kid);
	key.kid_in_header = PG_ARGISNULL(4) ? alg != AMC_ALG_HS256 : PG_GETARG_BOOL(4);
	key.verify_only = key.material.secret == NULL || (!PG_ARGISNULL(5) && PG_GETARG_BOOL(5));
	return key_add(&key, "key_import");
}

/* authmeter.key_generate(ring, alg, kid_in_header) */
Datum
authmeter_key_generate(PG_FUNCTION_ARGS)
{
	NewKey key = {.ring = arg_ring(fcinfo, 0)};
	amc_alg alg = alg_parse(arg_text(fcinfo, 1));

	am_key_material_generate(alg, &key.material);
	key.kid_in_header = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	return key_add(&key, "key_generate");
}

static TimestampTz
overlap_end(TimestampTz from, const Interval *overlap)
{
	TimestampTz end;

	if (!am_interval_end(from, overlap, 0, OVERLAP_MAX_US, &end))
		argument_refuse("the overlap", "Use an interval from 0 to 10 years.");
	return end;
}

static TimestampTz
arg_activates_at(FunctionCallInfo fcinfo, int n, TimestampTz now)
{
	TimestampTz at = PG_ARGISNULL(n) ? now : PG_GETARG_TIMESTAMPTZ(n);

	if (TIMESTAMP_NOT_FINITE(at) || at < now || at - now > OVERLAP_MAX_US)
		argument_refuse("activates_at", "Use a time from now to 10 years from now.");
	return at;
}

/* What is rotated: the key that signs now, and no other rotation on its way. */
static const AmKey *
rotation_base(AmRing *ring, TimestampTz now)
{
	const AmKey *signer = am_ring_signer(ring, now);
	int i;

	if (signer == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_UNKNOWN),
				errmsg("key ring \"%s\" has no signing key to replace", ring->name),
				errhint("Make one with authmeter.key_generate or key_import."));
	for (i = 0; i < ring->count; i++)
		if (!ring->keys[i].verify_only && am_key_state(&ring->keys[i], now) == AM_KEY_PENDING)
			ereport(ERROR, errcode(ERRCODE_AM_KEY_STATE),
					errmsg("a rotation of key ring \"%s\" is pending", ring->name),
					errhint("Wait until key \"%s\" signs, or retire it.", ring->keys[i].kid));
	return signer;
}

static void
predecessors_end(const char *ring, TimestampTz at)
{
	Datum values[2] = {CStringGetTextDatum(ring), TimestampTzGetDatum(at)};

	am_spi_begin();
	am_spi_run(&replace_plan, values, NULL, 0);
	am_spi_end();
}

/* The new key as asked for: an existing secret, or a generated one. */
static void
rotation_material(FunctionCallInfo fcinfo, amc_alg alg, NewKey *key)
{
	if (!PG_ARGISNULL(3))
		arg_material(fcinfo, 3, alg, &key->material);
	else
		am_key_material_generate(alg, &key->material);
	if (key->material.secret == NULL)
		argument_refuse("the new key", "A public key cannot sign; pass the private key.");
	kid_check(key->material.kid);
}

/* authmeter.key_rotate(ring, overlap, alg, secret, activates_at) */
Datum
authmeter_key_rotate(PG_FUNCTION_ARGS)
{
	NewKey key = {.ring = arg_ring(fcinfo, 0)};
	AmRing *ring;
	const AmKey *base;
	amc_alg alg;
	TimestampTz end;

	if (PG_ARGISNULL(1))
		argument_refuse("the overlap", "Use an interval from 0 to 10 years.");
	table_lock();
	key.now = am_clock_now();
	key.activates_at = arg_activates_at(fcinfo, 4, key.now);
	end = overlap_end(key.activates_at, PG_GETARG_INTERVAL_P(1));
	ring = am_ring_get(key.ring, strlen(key.ring));
	base = rotation_base(ring, key.now);
	alg = PG_ARGISNULL(2) ? base->alg : alg_parse(arg_text(fcinfo, 2));
	key.kid_in_header = base->kid_in_header;
	rotation_material(fcinfo, alg, &key);
	if (am_key_material_find(&key.material, ring, key.now) != NULL)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_STATE),
				errmsg("key ring \"%s\" holds this key already", key.ring));
	capacity_check(ring, key.now);
	kid_free_check(ring, key.material.kid);
	predecessors_end(key.ring, end);
	key_insert(&key);
	audit("key_rotate", key.ring, key.material.kid, alg);
	return CStringGetTextDatum(key.material.kid);
}

/* The one key of this kid, in the ring named or in any. */
static const AmKey *
retire_target(const char *kid, const char *ring_name)
{
	AmKey *found = NULL;
	AmRing *rings;
	int count;
	int i;

	rings = am_ring_all(&count);
	for (i = 0; i < count; i++)
	{
		AmKey *key = am_ring_key(&rings[i], kid, strlen(kid));

		if (key == NULL || (ring_name != NULL && strcmp(ring_name, key->ring) != 0))
			continue;
		if (found != NULL)
			argument_refuse("the ring", "Several rings hold a key of this kid: name the ring.");
		found = key;
	}
	if (found == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_KEY_UNKNOWN), errmsg("no key has this kid"),
				errhint("authmeter.key_list() shows the keys."));
	return found;
}

/* authmeter.key_retire(kid, ring) */
Datum
authmeter_key_retire(PG_FUNCTION_ARGS)
{
	TimestampTz now;
	const AmKey *key;
	Datum values[3];

	if (PG_ARGISNULL(0))
		argument_refuse("the kid", "authmeter.key_list() shows the keys.");
	table_lock();
	now = am_clock_now();
	key = retire_target(arg_text(fcinfo, 0), PG_ARGISNULL(1) ? NULL : arg_ring(fcinfo, 1));
	if (!am_key_verifies(key, now))
		ereport(ERROR, errcode(ERRCODE_AM_KEY_STATE),
				errmsg("key \"%s\" of key ring \"%s\" has retired already", key->kid, key->ring));
	audit("key_retire", key->ring, key->kid, key->alg);
	values[0] = CStringGetTextDatum(key->ring);
	values[1] = CStringGetTextDatum(key->kid);
	values[2] = TimestampTzGetDatum(now);
	am_spi_begin();
	am_spi_run(&retire_plan, values, NULL, 0);
	am_spi_end();
	PG_RETURN_VOID();
}

static void
key_reseal(const AmKey *key)
{
	Size len;
	uint8 *secret = am_key_unseal(key, &len);
	Datum values[3];

	values[0] = CStringGetTextDatum(key->ring);
	values[1] = CStringGetTextDatum(key->kid);
	values[2] = PointerGetDatum(am_key_seal(key->ring, key->kid, key->alg, secret, len));
	am_secret_wipe(secret, len);
	am_spi_begin();
	am_spi_run(&reseal_plan, values, NULL, 0);
	am_spi_end();
}

static bool
needs_reseal(const AmKey *key, uint32 newest)
{
	return key->sealed != NULL && am_seal_version(key->sealed) != newest;
}

/* The copy is read while rows change: it stays in place until the next am_ring_ call. */
Datum
authmeter_key_reseal(PG_FUNCTION_ARGS)
{
	uint32 newest = am_master_key_newest();
	int32 resealed = 0;
	AmRing *rings;
	int count;
	int i;
	int k;

	table_lock();
	rings = am_ring_all(&count);
	for (i = 0; i < count; i++)
		for (k = 0; k < rings[i].count; k++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!needs_reseal(&rings[i].keys[k], newest))
				continue;
			key_reseal(&rings[i].keys[k]);
			resealed++;
		}
	PG_RETURN_INT32(resealed);
}
