/*
 * master_key.c
 *
 * Reads, checks and caches the master key file, and derives subkeys.
 *
 * File: one key a line, "<version> <64 lower-case hex digits>", version 1 to 65535; blank lines and
 * lines that start with # are ignored. It must be a regular file of the server's account or root
 * that group and others cannot touch.
 *
 * The copy in this backend is renewed when path, device, inode, size, mtime or ctime differ from
 * what was read (one stat a use), and overwritten before that. Subkeys are kept beside it and go
 * with it. A file that has become bad makes every use fail; the old copy is not used on.
 */
#include "compat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "utils/memutils.h"

#include "core/hex.h"
#include "core/span.h"
#include "crypto/secret.h"
#include "guc.h"
#include "master_key.h"

#define FILE_BYTES_MAX     16384
#define VERSIONS_MAX       64
#define SUBKEYS_MAX        32 /* kept; more purposes only cost a derivation */
#define DISTINCT_BYTES_MIN 8  /* 32 random bytes have fewer with a chance below 2^-90 */

typedef struct MasterKey
{
	uint32 version;
	uint8 key[AM_MASTER_KEY_BYTES];
} MasterKey;

typedef struct Subkey
{
	uint32 version;
	char purpose[AM_PURPOSE_BYTES_MAX + 1];
	uint8 key[AM_MASTER_KEY_BYTES];
	AmHmac *hmac; /* in subkey_cxt; NULL until wanted */
} Subkey;

typedef enum FileStatus
{
	FILE_OK = 0,
	FILE_UNSET,
	FILE_UNREADABLE,
	FILE_KIND,
	FILE_OWNER,
	FILE_MODE,
	FILE_SIZE,
	FILE_SYNTAX,
	FILE_DUPLICATE,
	FILE_WEAK,
	FILE_EMPTY
} FileStatus;

typedef struct FileProblem
{
	int code;
	const char *text;
	const char *hint;
} FileProblem;

static const FileProblem problems[] = {
	[FILE_OK] = {0, NULL, NULL},
	[FILE_UNSET] =
		{ERRCODE_AM_MASTER_KEY_MISSING, "no master key file is configured",
		 "Set authmeter.master_key_file in postgresql.conf to the path of a file with a line "
		 "\"1 <64 hexadecimal digits>\", and reload the server."},
	[FILE_UNREADABLE] =
		{ERRCODE_AM_MASTER_KEY_MISSING, "could not read the master key file",
		 "The file named by authmeter.master_key_file must exist and be readable by "
		 "the server's account."},
	[FILE_KIND] = {ERRCODE_AM_MASTER_KEY_INVALID, "the master key file is not a regular file",
				   "Let authmeter.master_key_file name a regular file."},
	[FILE_OWNER] = {ERRCODE_AM_MASTER_KEY_INVALID, "the master key file belongs to another account",
					"The file must belong to the server's account or to root."},
	[FILE_MODE] = {ERRCODE_AM_MASTER_KEY_INVALID, "the master key file is open to group or others",
				   "Its mode must be 0600 or 0400."},
	[FILE_SIZE] = {ERRCODE_AM_MASTER_KEY_INVALID, "the master key file is too large",
				   "It may have 16384 bytes and 64 keys."},
	[FILE_SYNTAX] =
		{ERRCODE_AM_MASTER_KEY_INVALID, "the master key file is malformed",
		 "Each line must be \"<version> <64 lower-case hexadecimal digits>\", version 1 to "
		 "65535, or a comment that starts with #."},
	[FILE_DUPLICATE] = {ERRCODE_AM_MASTER_KEY_INVALID, "the master key file holds a version twice",
						"Give each key a version of its own."},
	[FILE_WEAK] = {ERRCODE_AM_MASTER_KEY_INVALID, "a master key is a placeholder, not random",
				   "Make one with \"openssl rand -hex 32\"."},
	[FILE_EMPTY] =
		{ERRCODE_AM_MASTER_KEY_INVALID, "the master key file holds no key",
		 "Add a line \"1 <64 hexadecimal digits>\", made with \"openssl rand -hex 32\"."},
};

/* The copy. Valid while loaded; written by file_load alone. */
static bool loaded = false;
static char loaded_path[MAXPGPATH];
static struct stat loaded_stat;
static MasterKey keys[VERSIONS_MAX]; /* ascending by version */
static int key_count = 0;

static Subkey subkeys[SUBKEYS_MAX];
static int subkey_count = 0;
static MemoryContext subkey_cxt = NULL;

static void
subkeys_forget(void)
{
	am_secret_wipe(subkeys, sizeof(subkeys));
	subkey_count = 0;
	if (subkey_cxt != NULL)
		MemoryContextReset(subkey_cxt);
}

/* Leaves errno alone: the caller may be about to report it. */
static void
keys_forget(void)
{
	int saved_errno = errno;

	loaded = false;
	am_secret_wipe(keys, sizeof(keys));
	key_count = 0;
	subkeys_forget();
	errno = saved_errno;
}

static FileStatus
stat_check(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return FILE_KIND;
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return FILE_OWNER;
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return FILE_MODE;
	if (st->st_size > FILE_BYTES_MAX)
		return FILE_SIZE;
	return FILE_OK;
}

static bool
stat_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		   a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
		   a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		   a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Reads until the end or FILE_BYTES_MAX + 1 bytes; -1 with errno set on failure. */
static int
read_all(int fd, char *buffer)
{
	int len = 0;

	while (len <= FILE_BYTES_MAX)
	{
		ssize_t n = read(fd, buffer + len, FILE_BYTES_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (int) n;
	}
	return len;
}

/* Opens, checks and reads; the checks are made on the open file, so nobody can exchange it. */
static FileStatus
file_read(const char *path, char *buffer, int *len, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	FileStatus status = FILE_UNREADABLE;
	int saved_errno;

	if (fd < 0)
		return FILE_UNREADABLE;
	if (fstat(fd, st) == 0)
	{
		status = stat_check(st);
		*len = status == FILE_OK ? read_all(fd, buffer) : 0;
		if (*len < 0)
			status = FILE_UNREADABLE;
		else if (*len > FILE_BYTES_MAX)
			status = FILE_SIZE;
	}
	saved_errno = errno;
	close(fd);
	errno = saved_errno;
	return status;
}

static bool
key_is_placeholder(const uint8 key[AM_MASTER_KEY_BYTES])
{
	bool seen[256] = {false};
	int distinct = 0;
	int i;

	for (i = 0; i < AM_MASTER_KEY_BYTES; i++)
	{
		distinct += seen[key[i]] ? 0 : 1;
		seen[key[i]] = true;
	}
	am_secret_wipe(seen, sizeof(seen));
	return distinct < DISTINCT_BYTES_MIN;
}

/* Inserts in ascending order. */
static FileStatus
key_add(const MasterKey *key)
{
	int at = key_count;

	if (key_count == VERSIONS_MAX)
		return FILE_SIZE;
	if (key_is_placeholder(key->key))
		return FILE_WEAK;
	while (at > 0 && keys[at - 1].version >= key->version)
	{
		if (keys[at - 1].version == key->version)
			return FILE_DUPLICATE;
		at--;
	}
	memmove(&keys[at + 1], &keys[at], (key_count - at) * sizeof(MasterKey));
	keys[at] = *key;
	key_count++;
	return FILE_OK;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Parses "<version> <hex>" of a line without blanks at its ends. */
static FileStatus
line_parse(amc_span line)
{
	MasterKey key = {0, {0}};
	FileStatus status = FILE_SYNTAX;
	size_t at = 0;

	while (at < line.len && line.ptr[at] >= '0' && line.ptr[at] <= '9' && at < 5)
		key.version = key.version * 10 + (uint32) (line.ptr[at++] - '0');
	if (key.version >= 1 && key.version <= AM_MASTER_KEY_VERSION_MAX && at < line.len &&
		is_blank(line.ptr[at]))
	{
		while (at < line.len && is_blank(line.ptr[at]))
			at++;
		if (line.len - at == 2 * AM_MASTER_KEY_BYTES &&
			amc_hex_decode(line.ptr + at, line.len - at, key.key, sizeof(key.key)))
			status = key_add(&key);
	}
	am_secret_wipe(&key, sizeof(key));
	return status;
}

static FileStatus
file_parse(const char *text, int len)
{
	int start = 0;

	while (start < len)
	{
		const char *newline = memchr(text + start, '\n', len - start);
		int end = newline != NULL ? (int) (newline - text) : len;
		amc_span line = {text + start, end - start};
		FileStatus status = FILE_OK;

		while (line.len > 0 && is_blank(line.ptr[line.len - 1]))
			line.len--;
		if (line.len > 0 && line.ptr[0] != '#')
			status = line_parse(line);
		if (status != FILE_OK)
			return status;
		start = end + 1;
	}
	return key_count > 0 ? FILE_OK : FILE_EMPTY;
}

/* Loads the file anew. The buffer is on the stack and wiped, because nothing here may raise. */
static FileStatus
file_load(const char *path)
{
	char buffer[FILE_BYTES_MAX + 1];
	struct stat st;
	int len = 0;
	FileStatus status;

	keys_forget();
	status = file_read(path, buffer, &len, &st);
	if (status == FILE_OK)
		status = file_parse(buffer, len);
	am_secret_wipe(buffer, sizeof(buffer));
	if (status != FILE_OK)
	{
		keys_forget();
		return status;
	}
	strlcpy(loaded_path, path, sizeof(loaded_path));
	loaded_stat = st;
	loaded = true;
	return FILE_OK;
}

static FileStatus
file_ensure(void)
{
	const char *path = am_guc_master_key_file;
	struct stat st;

	if (path == NULL || path[0] == '\0')
	{
		keys_forget();
		return FILE_UNSET;
	}
	if (loaded && strcmp(path, loaded_path) == 0 && stat(path, &st) == 0 &&
		stat_same(&st, &loaded_stat))
		return FILE_OK;
	return file_load(path);
}

/* The path goes to the server log only: the setting is hidden from ordinary roles. */
static void
keys_ensure(void)
{
	FileStatus status = file_ensure();

	if (status == FILE_UNREADABLE)
		ereport(ERROR, errcode(ERRCODE_AM_MASTER_KEY_MISSING),
				errmsg("%s: %m", problems[status].text),
				errdetail_log("Path: \"%s\".", am_guc_master_key_file),
				errhint("%s", problems[status].hint));
	if (status != FILE_OK)
		ereport(ERROR, errcode(problems[status].code), errmsg("%s", problems[status].text),
				errdetail_log("Path: \"%s\".", am_guc_master_key_file),
				errhint("%s", problems[status].hint));
}

const char *
am_master_key_problem(void)
{
	return problems[file_ensure()].text;
}

static const MasterKey *
key_find(uint32 version)
{
	int i;

	for (i = 0; i < key_count; i++)
		if (keys[i].version == version)
			return &keys[i];
	return NULL;
}

uint32
am_master_key_newest(void)
{
	keys_ensure();
	return keys[key_count - 1].version;
}

uint32
am_master_key_oldest(void)
{
	keys_ensure();
	return keys[0].version;
}

bool
am_master_key_has(uint32 version)
{
	keys_ensure();
	return key_find(version) != NULL;
}

static Subkey *
subkey_find(uint32 version, const char *purpose)
{
	int i;

	for (i = 0; i < subkey_count; i++)
		if (subkeys[i].version == version && strcmp(subkeys[i].purpose, purpose) == 0)
			return &subkeys[i];
	return NULL;
}

static Subkey *
subkey_make(uint32 version, const char *purpose)
{
	const MasterKey *master = key_find(version);
	Subkey *subkey;

	if (master == NULL)
		ereport(ERROR, errcode(ERRCODE_AM_SEAL_BROKEN),
				errmsg("master key version %u is not in the master key file", version),
				errhint("Add the line of that version to the file again."));
	if (strlen(purpose) > AM_PURPOSE_BYTES_MAX)
		ereport(ERROR, errcode(ERRCODE_AM_LIMIT_EXCEEDED),
				errmsg("the name of a purpose is longer than %d bytes", AM_PURPOSE_BYTES_MAX));
	if (subkey_count == SUBKEYS_MAX)
		subkeys_forget();
	subkey = &subkeys[subkey_count];
	am_hkdf(master->key, sizeof(master->key), "authmeter", purpose, subkey->key,
			sizeof(subkey->key));
	subkey->version = version;
	strlcpy(subkey->purpose, purpose, sizeof(subkey->purpose));
	subkey->hmac = NULL;
	subkey_count++;
	return subkey;
}

static Subkey *
subkey_get(uint32 version, const char *purpose)
{
	Subkey *subkey = subkey_find(version, purpose);

	return subkey != NULL ? subkey : subkey_make(version, purpose);
}

void
am_master_key_derive(uint32 version, const char *purpose, uint8 subkey[AM_MASTER_KEY_BYTES])
{
	keys_ensure();
	memcpy(subkey, subkey_get(version, purpose)->key, AM_MASTER_KEY_BYTES);
}

static void
keyed_hmac(uint32 version, const char *purpose, const void *data, Size len,
		   uint8 mac[AM_SHA256_BYTES])
{
	Subkey *subkey = subkey_get(version, purpose);

	if (subkey_cxt == NULL)
		subkey_cxt =
			AllocSetContextCreate(TopMemoryContext, "authmeter subkeys", ALLOCSET_SMALL_SIZES);
	if (subkey->hmac == NULL)
		subkey->hmac = am_hmac_new(subkey_cxt, subkey->key, sizeof(subkey->key));
	am_hmac(subkey->hmac, data, len, mac);
}

void
am_keyed_hmac(const char *purpose, const void *data, Size len, uint8 mac[AM_SHA256_BYTES])
{
	keys_ensure();
	keyed_hmac(keys[key_count - 1].version, purpose, data, len, mac);
}

void
am_keyed_hmac_at(uint32 version, const char *purpose, const void *data, Size len,
				 uint8 mac[AM_SHA256_BYTES])
{
	keys_ensure();
	keyed_hmac(version, purpose, data, len, mac);
}
