/*
 * fuzz.h
 *		What the libFuzzer targets share.
 */
#ifndef AMC_FUZZ_H
#define AMC_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/span.h"

/* An oracle that must hold for every input; the fuzzer keeps the input that breaks it. */
#define REQUIRE(condition)                                                            \
	do                                                                                \
	{                                                                                 \
		if (!(condition))                                                             \
		{                                                                             \
			fprintf(stderr, "%s:%d: required: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                  \
		}                                                                             \
	} while (0)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* AMC_FUZZ_H */
