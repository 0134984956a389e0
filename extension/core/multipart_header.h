/*
 * multipart_header.h
 *		Header fields of a multipart body: the part of multipart.c that knows their grammar.
 */
#ifndef AMC_MULTIPART_HEADER_H
#define AMC_MULTIPART_HEADER_H

#include "core/multipart.h"

/*
 * amc_multipart_header_take: the header line that reader->line holds.
 *
 * Fills in the present part; false if the line is malformed, repeats one of the
 * headers that count, or asks for a transfer encoding.
 */
extern bool amc_multipart_header_take(amc_multipart *reader);

#endif /* AMC_MULTIPART_HEADER_H */
