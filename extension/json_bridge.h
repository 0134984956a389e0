/*
 * json_bridge.h
 *
 * Between core/json (which reads what came from outside) and PostgreSQL's jsonb.
 */
#ifndef AM_JSON_BRIDGE_H
#define AM_JSON_BRIDGE_H

#include "compat.h"

#include "core/json.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/*
 * The jsonb of a node and everything below it, in the current context. NULL when jsonb cannot hold
 * it here: a wide number (see core/json.h) anywhere in the document, a string beyond ASCII in a
 * database whose encoding is not UTF-8, or a scalar. Raises only when memory runs out.
 */
extern Jsonb *am_jsonb_from_node(const amc_json *doc, const amc_json_node *node);

/* Appends jsonb as compact JSON: no blank after ':' and ','. */
extern void am_jsonb_append_compact(StringInfo out, JsonbContainer *container);

#endif
