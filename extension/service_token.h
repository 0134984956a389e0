/*
 * service_token.h
 *
 * Service tokens (contract I12): what a backend service shows in X-Service-Token to prove itself.
 */
#ifndef AM_SERVICE_TOKEN_H
#define AM_SERVICE_TOKEN_H

#include "compat.h"

/*
 * Is token (not NUL-terminated; NULL allowed) a live service token with this scope? Unknown,
 * malformed, expired, revoked and out of scope are all just false. The calling SQL function must be
 * SECURITY DEFINER.
 */
extern bool am_service_token_allows(const char *token, Size token_bytes, const char *scope);

#endif
