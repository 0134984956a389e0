/*
 * fuzz_multipart.c
 *		A body means the same in one piece, byte by byte, and cut somewhere; data without
 *		the delimiter come back whole.  The first byte of the input says where to cut; the
 *		rest is a body with the boundary XX, the data of one part, and a Content-Type.
 */
#include "core/multipart.h"
#include "core/text_stats.h"
#include "fuzz.h"

typedef struct found
{
	uint64_t hash; /* of everything found, in its order; pieces of data make no difference */
	uint64_t data_bytes;
	int parts;
	bool in_part;
	amc_text_stats stats;
} found;

static void
mix(found *state, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		state->hash = (state->hash ^ (uint8_t) bytes[i]) * UINT64_C(1099511628211);
}

static void
found_begin(void *opaque, const amc_multipart_part *part)
{
	found *state = opaque;

	REQUIRE(!state->in_part && ++state->parts <= AMC_MULTIPART_PARTS_MAX);
	REQUIRE(part->name.len <= AMC_MULTIPART_NAME_BYTES_MAX);
	REQUIRE(part->filename.len <= AMC_MULTIPART_FILENAME_BYTES_MAX);
	REQUIRE(part->type.len > 0 && part->type.len <= AMC_MULTIPART_TYPE_BYTES_MAX);
	REQUIRE(part->name.len == 0 || memchr(part->name.ptr, '\0', part->name.len) == NULL);
	REQUIRE(part->filename.ptr != NULL || part->filename.len == 0);
	state->in_part = true;
	mix(state, part->name.ptr, part->name.len);
	mix(state, "|", 1);
	if (part->filename.ptr != NULL)
		mix(state, part->filename.ptr, part->filename.len);
	mix(state, part->filename.ptr == NULL ? "-" : "|", 1);
	mix(state, part->type.ptr, part->type.len);
	amc_text_stats_init(&state->stats);
}

static void
found_data(void *opaque, const char *bytes, size_t len)
{
	found *state = opaque;

	REQUIRE(state->in_part && len > 0);
	state->data_bytes += len;
	mix(state, bytes, len);
	amc_text_stats_add(&state->stats, bytes, len);
}

static void
found_end(void *opaque)
{
	found *state = opaque;
	uint64_t counts[3] = {0, 0, 0};

	REQUIRE(state->in_part);
	state->in_part = false;
	if (amc_text_stats_end(&state->stats))
	{
		counts[0] = state->stats.words;
		counts[1] = state->stats.newlines;
		counts[2] = state->stats.characters;
		REQUIRE(counts[0] <= counts[2] && counts[1] <= counts[2]);
	}
	mix(state, (const char *) counts, sizeof(counts));
}

static bool
read_body(const char *body, size_t size, size_t cut, bool bytewise, found *state)
{
	const amc_multipart_sink sink = {state, found_begin, found_data, found_end};
	amc_multipart reader;
	bool alive = true;
	size_t i;

	*state = (found){.hash = UINT64_C(14695981039346656037)};
	amc_multipart_init(&reader, "XX", 2, &sink);
	for (i = 0; bytewise && i < size; i++)
		alive = amc_multipart_add(&reader, body + i, 1);
	if (!bytewise && cut > 0)
		alive = amc_multipart_add(&reader, body, cut);
	if (!bytewise && size > cut)
		alive = amc_multipart_add(&reader, body + cut, size - cut);
	REQUIRE(state->data_bytes <= size);
	REQUIRE(alive || !amc_multipart_end(&reader));
	REQUIRE(!amc_multipart_end(&reader) || !state->in_part);
	return amc_multipart_end(&reader);
}

/* Any data that do not hold the delimiter come back as they were sent. */
static void
check_data(const char *data, size_t size, size_t cut)
{
	static const char head[] = "--XX\r\nContent-Disposition: form-data; name=f\r\n\r\n";
	static const char end[] = "\r\n--XX--";
	const size_t head_len = sizeof(head) - 1;
	const size_t len = head_len + size + sizeof(end) - 1;
	char *body = malloc(len);
	found state;

	REQUIRE(body != NULL);
	memcpy(body, head, head_len);
	memcpy(body + head_len, data, size);
	memcpy(body + head_len + size, end, sizeof(end) - 1);
	/* the search begins at the blank line, whose line break counts for a delimiter */
	if (memmem(body + head_len - 2, size + 8, "\r\n--XX", 6) == body + head_len + size)
	{
		REQUIRE(read_body(body, len, cut, false, &state));
		REQUIRE(state.parts == 1 && state.data_bytes == size);
		if (amc_text_stats_end(&state.stats))
			REQUIRE(state.stats.characters == amc_utf8_count(data, size));
		REQUIRE(amc_text_stats_end(&state.stats) == amc_utf8_valid(data, size));
	}
	free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char boundary[AMC_MULTIPART_BOUNDARY_BYTES_MAX];
	found whole;
	found cut;
	found bytewise;
	const char *body = (const char *) data + 1;
	bool ok;

	if (size == 0)
		return 0;
	size--;
	REQUIRE(amc_multipart_boundary(body, size, boundary) <= sizeof(boundary));
	ok = read_body(body, size, 0, false, &whole);
	REQUIRE(read_body(body, size, size * data[0] / 256, false, &cut) == ok);
	REQUIRE(read_body(body, size, 0, true, &bytewise) == ok);
	REQUIRE(whole.hash == cut.hash && whole.hash == bytewise.hash);
	REQUIRE(whole.parts == cut.parts && whole.parts == bytewise.parts);
	check_data(body, size, size * data[0] / 256);
	return 0;
}
