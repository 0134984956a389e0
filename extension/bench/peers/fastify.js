// fastify.js: POST /trackUsage with Fastify, pg and jsonwebtoken. The token's version is checked and
// the counters are raised by one prepared statement.
'use strict';

const fastify = require('fastify');
const { pool, claimsOf, countOf, answerOf, serve } = require('./common');

const TRACK = {
  name: 'track',
  text: `UPDATE bench.peer_user
            SET prompt_count = prompt_count + $3, token_count = token_count + $4
          WHERE id = $1 AND token_version = $2
          RETURNING prompt_count, token_count`,
};

// With a schema of the answer Fastify compiles its serialiser.
const SCHEMA = {
  response: {
    200: {
      type: 'object',
      properties: {
        message: { type: 'string' },
        currentPromptCount: { type: 'integer' },
        currentTokenCount: { type: 'integer' },
        threshold: { type: 'integer' },
      },
    },
  },
};

serve((port, host) => {
  const db = pool();
  const app = fastify({ logger: false });

  app.post('/trackUsage', { schema: SCHEMA }, async (request, reply) => {
    const claims = claimsOf(request.headers.authorization);
    if (claims === undefined) {
      return reply.code(401).send({ error: 'Authorization header missing or malformed' });
    }
    if (claims === null) {
      return reply.code(403).send({ error: 'Invalid or expired token' });
    }
    const { usage, tokenCount } = request.body ?? {};
    const { rows } = await db.query({
      ...TRACK,
      values: [claims.userId, claims.ver, countOf(usage), countOf(tokenCount)],
    });
    if (rows.length === 0) {
      return reply.code(403).send({ error: 'Invalid or expired token' });
    }
    return answerOf(rows[0]);
  });
  app.listen({ port, host });
});
